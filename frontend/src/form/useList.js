import { useCallback } from 'react';

/** The entries of a list field, `{key, ...}` each: add, change, remove and move one. */
export function useList(form, field) {
  const { change } = form;
  const entries = form.values[field];

  const add = useCallback((entry) => change({ [field]: [...entries, entry] }, []), [change, entries, field]);

  const update = useCallback(
    (index, changed) => {
      const next = entries.map((entry, at) => (at === index ? { ...entry, ...changed } : entry));
      change({ [field]: next }, [`${field}.${index}`]);
    },
    [change, entries, field],
  );

  // Errors name entries by their place: after these two they would stand at the wrong ones.
  const remove = useCallback(
    (index) => change({ [field]: entries.filter((_, at) => at !== index) }),
    [change, entries, field],
  );

  const move = useCallback(
    (index, by) => {
      const next = [...entries];
      const [entry] = next.splice(index, 1);
      next.splice(index + by, 0, entry);
      change({ [field]: next });
    },
    [change, entries, field],
  );

  return { entries, add, update, remove, move };
}

/** Focuses an element once what was changed is on the page. */
export function focusLater(id) {
  requestAnimationFrame(() => document.getElementById(id)?.focus());
}
