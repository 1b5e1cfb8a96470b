import { useCallback, useEffect, useMemo, useState } from 'react';
import { load, save } from './storage.js';

const DRAFT_KEY = 'llm-agent-builder.draft';

/** A newcomer can press Test Agent at once. Provider and model come from the catalog. */
export const starter = {
  name: 'Geographer',
  prompt: 'You are a helpful assistant.',
  task: 'What is the capital of France?',
  provider: null,
  model: null,
  stream: false,
};

/** Field by field, so that a draft of another version or one edited by hand can't break the page. */
export function restoreDraft(draft) {
  const values = { ...starter };
  for (const field of ['name', 'prompt', 'task', 'provider', 'model']) {
    if (typeof draft?.[field] === 'string') values[field] = draft[field];
  }
  if (typeof draft?.stream === 'boolean') values.stream = draft.stream;
  return values;
}

/** Fills in the provider and model that are missing, or that this server doesn't offer. */
export function withCatalog(values, catalog) {
  if (!catalog) return values;
  const provider = catalog.providers.find(({ id }) => id === values.provider) ?? catalog.providers[0];
  if (!provider) return values;
  const offered = provider.models.some(({ id }) => id === values.model);
  return { ...values, provider: provider.id, model: offered ? values.model : provider.default_model };
}

/** Two forms that would give the same file have the same fingerprint. */
export function fingerprint({ name, prompt, task, provider, model, stream }) {
  return JSON.stringify([name, prompt, task, provider, model, stream]);
}

/**
 * The form's values as typed, the messages beside its fields, and the draft kept in the browser.
 * `edition` counts the times that all values were replaced at once: fields made anew with it have no
 * history of their own, which the browser's undo would otherwise play back onto the wrong text.
 */
export function useAgentForm(catalog) {
  const [typed, setTyped] = useState(() => restoreDraft(load(DRAFT_KEY, 'tab') ?? load(DRAFT_KEY)));
  const [errors, setErrors] = useState({});
  const [undo, setUndo] = useState(null);
  const [edition, setEdition] = useState(0);
  const values = useMemo(() => withCatalog(typed, catalog), [typed, catalog]);

  useEffect(() => {
    save(DRAFT_KEY, typed); // for the next visit
    save(DRAFT_KEY, typed, 'tab'); // so that a reload brings back this tab's, not the newest one
  }, [typed]);

  const change = useCallback((changed) => {
    setTyped((now) => ({ ...now, ...changed }));
    setErrors((now) => Object.fromEntries(Object.entries(now).filter(([field]) => !(field in changed))));
    setUndo(null);
  }, []);

  const reset = useCallback(() => {
    setUndo(typed);
    setTyped(starter);
    setErrors({});
    setEdition((n) => n + 1);
  }, [typed]);

  const undoReset = useCallback(() => {
    setTyped(undo);
    setUndo(null);
    setEdition((n) => n + 1);
  }, [undo]);

  return { values, errors, setErrors, change, reset, undoReset: undo ? undoReset : null, edition };
}
