import { useCallback } from 'react';

/** @import { Values } from './fields.js' */
/** @import { Form } from './useAgentForm.js' */

/**
 * The entries of a list field, `{key, ...}` each: add, change, remove and move one.
 * @template {'tools' | 'mcp_servers'} F
 * @param {Form} form
 * @param {F} field
 */
export function useList(form, field) {
  /** @typedef {Values[F][number]} Entry */
  const { change } = form;
  const entries = /** @type {Entry[]} */ (form.values[field]);

  const set = useCallback(
    (/** @type {Entry[]} */ next, /** @type {string[] | undefined} */ paths) => change({ [field]: next }, paths),
    [change, field],
  );

  const add = useCallback((/** @type {Entry} */ entry) => set([...entries, entry], []), [set, entries]);

  const update = useCallback(
    (/** @type {number} */ index, /** @type {Partial<Entry>} */ changed) => {
      set(entries.map((entry, at) => (at === index ? { ...entry, ...changed } : entry)), [`${field}.${index}`]);
    },
    [set, entries, field],
  );

  // Errors name entries by their position: after these two they would be shown at the wrong ones.
  const remove = useCallback((/** @type {number} */ index) => set(entries.filter((_, at) => at !== index), undefined), [set, entries]);

  const move = useCallback(
    (/** @type {number} */ index, /** @type {number} */ by) => {
      const next = [...entries];
      const [entry] = next.splice(index, 1);
      next.splice(index + by, 0, entry);
      set(next, undefined);
    },
    [set, entries],
  );

  return { entries, add, update, remove, move };
}

/**
 * Focuses an element once the change is on the page.
 * @param {string} id
 */
export function focusLater(id) {
  requestAnimationFrame(() => document.getElementById(id)?.focus());
}
