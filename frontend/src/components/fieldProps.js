import { fieldId } from '../form/paths.js';

/** @import { ChangeEvent } from 'react' */
/** @import { Catalog } from '../api/types' */
/** @import { Values } from '../form/fields.js' */
/** @import { Form } from '../form/useAgentForm.js' */

/** @typedef {Partial<Catalog['defaults']>} Defaults empty until the catalog has loaded */
/** @typedef {{ [F in keyof Values]: Values[F] extends string | null ? F : never }[keyof Values]} TextField */
/** @typedef {{ [F in keyof Values]: Values[F] extends boolean ? F : never }[keyof Values]} CheckField */

/**
 * Props shared by the fields that hold text.
 * @param {Form} form
 * @param {TextField} field
 */
export function textField(form, field) {
  return {
    id: fieldId(field),
    name: field,
    value: form.values[field] ?? '',
    error: form.errors[field],
    autoComplete: 'off',
    onChange: (/** @type {ChangeEvent<HTMLInputElement | HTMLTextAreaElement>} */ event) => form.change({ [field]: event.currentTarget.value }),
  };
}

/**
 * @param {Form} form
 * @param {TextField} field
 */
export function numberField(form, field) {
  return { inputMode: /** @type {const} */ ('decimal'), ...textField(form, field) };
}

/**
 * @param {Form} form
 * @param {CheckField} field
 */
export function checkField(form, field) {
  return {
    id: fieldId(field),
    checked: form.values[field],
    error: form.errors[field],
    onChange: (/** @type {ChangeEvent<HTMLInputElement>} */ event) => form.change({ [field]: event.currentTarget.checked }),
  };
}
