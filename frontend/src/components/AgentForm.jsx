import { Checkbox, Textarea, TextInput } from '@mantine/core';
import { Fragment, useRef } from 'react';
import { AnswerSection } from '../form/AnswerSection.jsx';
import { BackendChoice } from '../form/BackendChoice.jsx';
import { missingAbilities } from '../form/capabilities.js';
import { ConversationSection } from '../form/ConversationSection.jsx';
import { FormActions } from '../form/FormActions.jsx';
import { McpSection } from '../form/McpSection.jsx';
import { ModelFields } from '../form/ModelFields.jsx';
import { ModelOptions } from '../form/ModelOptions.jsx';
import { ToolsSection } from '../form/ToolsSection.jsx';
import { FilesField } from '../grants/FilesField.jsx';
import { HostsField } from '../grants/HostsField.jsx';
import { OpenNote } from '../openFile/OpenNote.jsx';
import { checkField, textField } from './fieldProps.js';

/** @import { ChangeEvent, FormEvent } from 'react' */
/** @import { Catalog, Model, Provider } from '../api/types' */
/** @import { BackendState } from '../form/BackendChoice.jsx' */
/** @import { Backend } from '../form/backends.js' */
/** @import { Form } from '../form/useAgentForm.js' */
/** @import { Builder } from '../form/useBuilder.js' */
/** @import { Inspection } from '../form/useInspection.js' */
/** @import { Given } from '../grants/useFiles.js' */
/** @import { Hosts } from '../grants/useHosts.js' */
/** @import { Opener } from '../openFile/useOpenFile.js' */
/** @import { Server } from '../page/useServer.js' */

/** @param {{ opener: Opener, ready: boolean }} props */
function OpenButton({ opener, ready }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));

  /** @param {ChangeEvent<HTMLInputElement>} event */
  function choose(event) {
    opener.open(event.currentTarget.files?.[0]);
    event.currentTarget.value = ''; // so that the same file can be chosen again
  }

  return (
    <>
      <button type="button" id="open-file" className="link" disabled={!ready || opener.reading} onClick={() => input.current?.click()}>
        Open file…
      </button>
      <input ref={input} type="file" accept=".py,.json,.yaml,.yml,text/x-python" hidden data-testid="open-input" onChange={choose} />
    </>
  );
}

/** @param {{ form: Form, opener: Opener, ready: boolean, dropping: boolean }} props */
function FormHead({ form, opener, ready, dropping }) {
  return (
    <div className="panel-head">
      <h2 className="panel-title" id="form-title">Agent</h2>
      {dropping && <span className="drop-hint">Drop the agent file to open it</span>}
      <div className="panel-links" hidden={dropping}>
        <OpenButton opener={opener} ready={ready} />
        {form.undo ? (
          <button type="button" className="link" onClick={form.undo.run}>{form.undo.label}</button>
        ) : (
          <button type="button" className="link" onClick={form.reset}>Reset</button>
        )}
      </div>
    </div>
  );
}

/**
 * The optional parts of an agent; folded, so that a plain one stays a short form.
 * @param {{ form: Form, catalog: Catalog | null, provider: Provider | null, model: Model | null, inspection: Inspection }} props
 */
function Sections({ form, catalog, provider, model, inspection }) {
  const missing = missingAbilities(form.values, model);
  const defaults = catalog?.defaults ?? {};
  return (
    <div className="sections">
      <ToolsSection form={form} gallery={catalog?.tools ?? []} inspection={inspection} missing={missing.tools} />
      <AnswerSection form={form} inspection={inspection} missing={missing.answer} />
      <ModelOptions form={form} provider={provider} model={model} defaults={defaults} />
      <ConversationSection form={form} defaults={defaults} />
      <McpSection form={form} missing={missing.mcp} />
    </div>
  );
}

/**
 * @param {object} props
 * @param {Form} props.form
 * @param {Server} props.server
 * @param {Provider | null} props.provider
 * @param {BackendState} props.backends
 * @param {Backend | null} props.backend
 * @param {Inspection} props.inspection
 * @param {Given} props.given
 * @param {Hosts} props.hosts
 * @param {Opener} props.opener
 * @param {boolean} props.dropping
 * @param {Builder} props.builder
 * @param {(id: string) => void} props.onMove
 * @param {() => void} props.onGenerate
 * @param {boolean} props.waiting
 */
export function AgentForm({ form, server, provider, backends, backend, inspection, given, hosts, opener, dropping, builder, onMove, onGenerate, waiting }) {
  const model = provider?.models.find(({ id }) => id === form.values.model) ?? null;

  /** @param {FormEvent} event */
  function submit(event) {
    event.preventDefault();
    onGenerate();
  }

  return (
    <form className="panel form" aria-labelledby="form-title" onSubmit={submit} noValidate data-dropping={dropping || undefined}>
      <FormHead form={form} opener={opener} ready={Boolean(server.catalog)} dropping={dropping} />
      <div className="form-fields">
        <OpenNote opener={opener} />
        <Fragment key={form.edition}>
          <TextInput label="Name" {...textField(form, 'name')} />
          <Textarea label="System prompt" autosize minRows={3} maxRows={14} {...textField(form, 'prompt')} />
          <Textarea label="Example task" autosize minRows={2} maxRows={8} {...textField(form, 'task')} />
        </Fragment>
        <ModelFields form={form} server={server} provider={provider} onMove={onMove} />
        <Checkbox label="Stream Response" {...checkField(form, 'stream')} />
        <Sections key={`sections-${form.edition}`} form={form} catalog={server.catalog} provider={provider} model={model} inspection={inspection} />
        <BackendChoice {...backends} />
        <FilesField given={given} needed={inspection.found?.need_files ?? []} />
        <HostsField hosts={hosts} wanted={inspection.found?.hosts ?? []} unlisted={inspection.found?.need_hosts ?? []} known={Boolean(server.catalog)} />
      </div>
      <FormActions builder={builder} server={server} backend={backend} provider={provider} answerer={backends.answerer} waiting={waiting} />
    </form>
  );
}
