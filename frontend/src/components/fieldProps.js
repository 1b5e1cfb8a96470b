import { fieldId } from '../form/paths.js';

/** Props shared by the fields that hold text. */
export function textField(form, field) {
  return {
    id: fieldId(field),
    name: field,
    value: form.values[field],
    error: form.errors[field],
    autoComplete: 'off',
    onChange: (event) => form.change({ [field]: event.currentTarget.value }),
  };
}

export function numberField(form, field) {
  return { inputMode: 'decimal', ...textField(form, field) };
}

export function checkField(form, field) {
  return {
    id: fieldId(field),
    checked: form.values[field],
    error: form.errors[field],
    onChange: (event) => form.change({ [field]: event.currentTarget.checked }),
  };
}
