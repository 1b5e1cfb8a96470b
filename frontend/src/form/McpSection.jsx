import { TextInput } from '@mantine/core';
import { CrossIcon } from '../components/icons.jsx';
import { Missing, Section, SectionError } from '../components/Section.jsx';
import { newServer } from './fields.js';
import { errorAt, fieldId } from './paths.js';
import { summaries } from './summaries.js';
import { focusLater, useList } from './useList.js';

/** @import { ChangeEvent } from 'react' */
/** @import * as Fields from './fields.js' */
/** @import { Form } from './useAgentForm.js' */
/** @typedef {(changed: Partial<Fields.McpServer>) => void} Change */

/** @type {[kind: Fields.McpServer['kind'], label: string][]} */
const KINDS = [
  ['command', 'Command'],
  ['url', 'URL'],
];

/** @param {{ server: Fields.McpServer, name: string, onChange: Change }} props */
function Kind({ server, name, onChange }) {
  return (
    <fieldset className="choice">
      <legend>Connect by</legend>
      <div className="choice-track" data-two>
        {KINDS.map(([kind, label]) => (
          <label key={kind} className="choice-option">
            <input
              type="radio"
              name={`mcp-kind-${server.key}`}
              checked={server.kind === kind}
              aria-label={`Connect to ${name} by: ${label}`}
              onChange={() => onChange({ kind })}
            />
            <span>{label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** @param {{ server: Fields.McpServer, index: number, form: Form, onChange: Change, onRemove: () => void }} props */
function McpServer({ server, index, form, onChange, onRemove }) {
  const path = `mcp_servers.${index}`;
  const name = server.name.trim() || `server ${index + 1}`;
  const field = (/** @type {'name' | 'url' | 'command' | 'env'} */ part) => ({
    id: fieldId(`${path}.${part}`),
    value: server[part],
    error: errorAt(form.errors, `${path}.${part}`),
    autoComplete: 'off',
    spellCheck: false,
    onChange: (/** @type {ChangeEvent<HTMLInputElement>} */ event) => onChange({ [part]: event.currentTarget.value }),
  });
  return (
    <li className="entry mcp" aria-label={`MCP ${name}`}>
      <div className="mcp-head">
        <TextInput label="Name" placeholder="docs" {...field('name')} />
        <button type="button" className="icon-button" aria-label={`Remove ${name}`} onClick={onRemove}>
          <CrossIcon />
        </button>
      </div>
      <Kind server={server} name={name} onChange={onChange} />
      {server.kind === 'url' ? (
        <TextInput label="URL" placeholder="https://example.com/mcp" classNames={{ input: 'mono' }} {...field('url')} />
      ) : (
        <>
          <TextInput label="Command" placeholder="npx -y my-mcp-server" classNames={{ input: 'mono' }} {...field('command')} />
          <TextInput
            label="Environment variables to pass"
            description="Names only, such as API_TOKEN. Their values are never written to the file."
            classNames={{ input: 'mono' }}
            {...field('env')}
          />
        </>
      )}
      <SectionError id={fieldId(path)} text={form.errors[path]} />
    </li>
  );
}

/** @param {{ form: Form, missing?: string }} props */
export function McpSection({ form, missing }) {
  const { entries, add, update, remove } = useList(form, 'mcp_servers');

  function addOne() {
    add(newServer());
    focusLater(fieldId(`mcp_servers.${entries.length}.name`));
  }

  /** @param {number} index */
  function removeAt(index) {
    remove(index);
    focusLater('mcp-add');
  }

  return (
    <Section id="mcp" title="MCP servers" summary={summaries.mcp(form.values)} plain={entries.length === 0} form={form}>
      <p className="section-text">
        Servers whose tools the model can call. In a test, MCP servers can use only Python, the attached files and the allowed
        hosts. Outside the sandbox these restrictions don’t apply.
      </p>
      <Missing text={missing} />
      <SectionError id={fieldId('mcp_servers')} text={form.errors.mcp_servers} />
      {entries.length > 0 && (
        <ul className="entries" aria-label="MCP servers of the agent">
          {entries.map((server, index) => (
            <McpServer
              key={server.key}
              server={server}
              index={index}
              form={form}
              onChange={(changed) => update(index, changed)}
              onRemove={() => removeAt(index)}
            />
          ))}
        </ul>
      )}
      <div className="section-links">
        <button type="button" id="mcp-add" className="link" onClick={addOne}>Add a server</button>
      </div>
    </Section>
  );
}
