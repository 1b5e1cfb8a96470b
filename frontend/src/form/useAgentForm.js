import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { fitToModel } from './capabilities.js';
import { restoreDraft, starter, withCatalog } from './fields.js';
import { sectionsWith, withoutErrors } from './paths.js';
import { load, save } from '../lib/storage.js';

const DRAFT_KEY = 'llm-agent-builder.draft';
const NOTHING = new Set();

function readDraft() {
  const draft = load(DRAFT_KEY, 'tab') ?? load(DRAFT_KEY);
  return { values: restoreDraft(draft), base: typeof draft?.base === 'string' ? draft.base : null };
}

/** Keeps the draft: for the next visit, and so that a reload brings back this tab's, not the newest one. */
function useKept(typed, base) {
  useEffect(() => {
    save(DRAFT_KEY, typed);
    save(DRAFT_KEY, { ...typed, base }, 'tab'); // an opened file is this tab's
  }, [typed, base]);
}

/** Counts the times that all values were replaced at once; `now` tells the count in the middle of waiting, too. */
function useEdition() {
  const [edition, setEdition] = useState(0);
  const latest = useRef(0);
  const now = useCallback(() => latest.current, []);
  const next = useCallback(() => {
    latest.current += 1;
    setEdition(latest.current);
    return latest.current;
  }, []);
  return { edition, now, next };
}

/** What is unfolded: the ids of sections, and of entries of their lists. */
function useOpened() {
  const [opened, setOpened] = useState(NOTHING);
  const setOpen = useCallback((ids, open) => {
    setOpened((now) => {
      const next = new Set(now);
      for (const id of ids) next[open ? 'add' : 'delete'](id);
      return next;
    });
  }, []);
  const closeAll = useCallback(() => setOpened(NOTHING), []);
  return { opened, setOpen, closeAll };
}

/** The sections and entries that have to be open for these errors to be seen. */
function toOpen(errors, values) {
  const entries = Object.keys(errors).map((path) => {
    const [field, index] = path.split('.');
    const entry = field === 'tools' ? values.tools[Number(index)] : null;
    return entry ? `tool-${entry.key}` : null;
  });
  return [...sectionsWith(errors), ...entries.filter(Boolean)];
}

function find(catalog, providerId, modelId) {
  const provider = catalog?.providers.find(({ id }) => id === providerId);
  return provider?.models.find(({ id }) => id === modelId) ?? null;
}

/**
 * The form's values as typed, the messages beside its fields, and the draft kept in the browser.
 * `base` is the text of an opened file whose hand-written parts are to be kept, or null.
 * `edition` counts the times that all values were replaced at once: fields made anew with it have no
 * history of their own, which the browser's undo would otherwise play back onto the wrong text, and
 * what was asked for an earlier edition is no answer to this one.
 * `grants`: what tests of the agent were given, which another agent doesn't inherit.
 */
export function useAgentForm(catalog, { withdraw, restore }) {
  const [draft] = useState(readDraft);
  const [typed, setTyped] = useState(draft.values);
  const [base, setBase] = useState(draft.base);
  const [errors, setErrors] = useState({});
  const [undo, setUndo] = useState(null);
  const { edition, now: editionNow, next: nextEdition } = useEdition();
  const [note, setNote] = useState(null);
  const { opened, setOpen, closeAll } = useOpened();
  const values = useMemo(() => withCatalog(typed, catalog), [typed, catalog]);
  useKept(typed, base);

  /** `paths`: what was changed, where that is less than whole fields. */
  const change = useCallback((changed, paths = Object.keys(changed)) => {
    setTyped((now) => ({ ...now, ...changed }));
    setErrors((now) => withoutErrors(now, paths));
    setUndo(null);
  }, []);

  // Reading a file takes a while: undo brings back what is in the form then, not what was when it was chosen.
  const present = useRef(null);
  useLayoutEffect(() => {
    present.current = { typed, base, withdraw };
  }, [typed, base, withdraw]);

  /** Returns the new edition. */
  const replace = useCallback(
    (next, { base: nextBase = null, undo: label, sameAgent = false }) => {
      const before = present.current;
      setUndo({ label, typed: before.typed, base: before.base, grants: sameAgent ? null : before.withdraw() });
      setTyped(next);
      setBase(nextBase);
      setErrors({});
      setNote(null);
      closeAll();
      return nextEdition();
    },
    [closeAll, nextEdition],
  );

  const reset = useCallback(() => replace(starter, { undo: 'Undo reset' }), [replace]);

  const takeBack = useCallback(() => {
    setTyped(undo.typed);
    setBase(undo.base);
    if (undo.grants) restore(undo.grants);
    setUndo(null);
    setErrors({});
    setNote(null);
    nextEdition();
  }, [undo, restore, nextEdition]);

  /** Options that the new model doesn't have go, and `note` says so. */
  const chooseModel = useCallback(
    (provider, model) => {
      const { changed, note: said } = fitToModel(values, find(catalog, provider, model));
      change({ provider, model, base_url: '', ...changed });
      setNote(said);
    },
    [values, catalog, change],
  );

  const showErrors = useCallback(
    (found) => {
      setErrors(found);
      setOpen(toOpen(found, values), true);
    },
    [values, setOpen],
  );

  return {
    values,
    base,
    setBase,
    errors,
    showErrors,
    change,
    replace,
    reset,
    undo: undo && { label: undo.label, run: takeBack },
    edition,
    editionNow,
    note,
    dismissNote: useCallback(() => setNote(null), []),
    chooseModel,
    opened,
    setOpen,
  };
}
