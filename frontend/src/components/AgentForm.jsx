import { Checkbox, Textarea, TextInput } from '@mantine/core';
import { Fragment, useRef } from 'react';
import { missingAbilities } from '../form/capabilities.js';
import { AnswerSection } from '../form/AnswerSection.jsx';
import { BackendChoice } from '../form/BackendChoice.jsx';
import { ConversationSection } from '../form/ConversationSection.jsx';
import { checkField, textField } from './fieldProps.js';
import { FilesField } from '../grants/FilesField.jsx';
import { FormActions } from '../form/FormActions.jsx';
import { HostsField } from '../grants/HostsField.jsx';
import { McpSection } from '../form/McpSection.jsx';
import { ModelFields } from '../form/ModelFields.jsx';
import { ModelOptions } from '../form/ModelOptions.jsx';
import { OpenNote } from '../openFile/OpenNote.jsx';
import { ToolsSection } from '../form/ToolsSection.jsx';

const NO_TOOLS = [];

function OpenButton({ opener, ready }) {
  const input = useRef(null);

  function choose(event) {
    opener.open(event.currentTarget.files[0]);
    event.currentTarget.value = ''; // so that the same file can be chosen again
  }

  return (
    <>
      <button type="button" id="open-file" className="link" disabled={!ready || opener.reading} onClick={() => input.current.click()}>
        Open file…
      </button>
      <input ref={input} type="file" accept=".py,.json,.yaml,.yml,text/x-python" hidden data-testid="open-input" onChange={choose} />
    </>
  );
}

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

/** What an agent can have beyond a prompt; folded, so that a plain one stays a short form. */
function Sections({ form, model, gallery }) {
  const missing = missingAbilities(form.values, model);
  return (
    <div className="sections">
      <ToolsSection form={form} gallery={gallery} missing={missing.tools} />
      <AnswerSection form={form} missing={missing.answer} />
      <ModelOptions form={form} model={model} />
      <ConversationSection form={form} />
      <McpSection form={form} missing={missing.mcp} />
    </div>
  );
}

export function AgentForm({ form, server, provider, backends, given, hosts, opener, dropping, builder, succession, onGenerate, waiting, backend }) {
  const gallery = server.catalog?.tools ?? NO_TOOLS;
  const model = provider?.models.find(({ id }) => id === form.values.model) ?? null;

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
        <ModelFields form={form} server={server} provider={provider} succession={succession} />
        <Checkbox label="Stream Response" {...checkField(form, 'stream')} />
        <Sections key={`sections-${form.edition}`} form={form} model={model} gallery={gallery} />
        <BackendChoice {...backends} />
        <FilesField given={given} tools={form.values.tools} gallery={gallery} />
        <HostsField hosts={hosts} values={form.values} gallery={gallery} known={Boolean(server.catalog)} />
      </div>
      <FormActions builder={builder} server={server} backend={backend} provider={provider} answerer={backends.answerer} waiting={waiting} />
    </form>
  );
}
