import { Checkbox, Textarea, TextInput } from '@mantine/core';
import { Fragment } from 'react';
import { fieldId } from '../useBuilder.js';
import { BackendChoice } from './BackendChoice.jsx';
import { FilesField } from './FilesField.jsx';
import { FormActions } from './FormActions.jsx';
import { ModelFields } from './ModelFields.jsx';

/** Props shared by the fields that hold text. */
function textField(form, field) {
  return {
    id: fieldId(field),
    name: field,
    value: form.values[field],
    error: form.errors[field],
    autoComplete: 'off',
    onChange: (event) => form.change({ [field]: event.currentTarget.value }),
  };
}

function FormHead({ form }) {
  return (
    <div className="panel-head">
      <h2 className="panel-title" id="form-title">Agent</h2>
      {form.undoReset ? (
        <button type="button" className="link" onClick={form.undoReset}>Undo reset</button>
      ) : (
        <button type="button" className="link" onClick={form.reset}>Reset</button>
      )}
    </div>
  );
}

export function AgentForm({ form, server, provider, backends, given, builder, onGenerate, backend }) {
  function submit(event) {
    event.preventDefault();
    onGenerate();
  }

  return (
    <form className="panel form" aria-labelledby="form-title" onSubmit={submit} noValidate>
      <FormHead form={form} />
      <div className="form-fields">
        <Fragment key={form.edition}>
          <TextInput label="Name" {...textField(form, 'name')} />
          <Textarea label="System prompt" autosize minRows={3} maxRows={14} {...textField(form, 'prompt')} />
          <Textarea label="Example task" autosize minRows={2} maxRows={8} {...textField(form, 'task')} />
        </Fragment>
        <ModelFields form={form} server={server} provider={provider} />
        <Checkbox
          id={fieldId('stream')}
          label="Stream Response"
          checked={form.values.stream}
          error={form.errors.stream}
          onChange={(event) => form.change({ stream: event.currentTarget.checked })}
        />
        <BackendChoice {...backends} provider={provider} />
        <FilesField given={given} />
      </div>
      <FormActions builder={builder} server={server} backend={backend} provider={provider} />
    </form>
  );
}
