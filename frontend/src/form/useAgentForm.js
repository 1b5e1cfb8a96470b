import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { load, save } from '../lib/storage.js';
import { fitToModel } from './capabilities.js';
import { restoreDraft, starter, withCatalog } from './fields.js';
import { sectionsWith, withoutErrors } from './paths.js';

/** @import { Catalog } from '../api/types' */
/** @import { Grants } from '../grants/useGrants.js' */
/** @import { Values } from './fields.js' */
/** @typedef {Record<string, string>} Errors messages by path, such as `tools.0.code` */
/** @typedef {{ label: string, typed: Values, base: string | null, grants: Grants | null }} Undo */
/** @typedef {{ withdraw: () => Grants, restore: (grants: Grants) => void }} GrantActions */

const DRAFT_KEY = 'llm-agent-builder.draft';

function readDraft() {
  const draft = load(DRAFT_KEY, 'tab') ?? load(DRAFT_KEY);
  return { values: restoreDraft(draft), base: typeof draft?.base === 'string' ? draft.base : null };
}

/**
 * Stores the draft for the next visit, and once more for this tab: a reload shows this tab's draft, not the newest.
 * @param {Values} typed
 * @param {string | null} base
 */
function useStoredDraft(typed, base) {
  useEffect(() => {
    save(DRAFT_KEY, typed);
    save(DRAFT_KEY, { ...typed, base }, 'tab'); // an opened file belongs to this tab
  }, [typed, base]);
}

/** Counts how often all values were replaced at once; `now` returns the latest count within a callback, too. */
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

/** The unfolded sections and entries of their lists, by id. */
function useOpened() {
  const [opened, setOpened] = useState(() => /** @type {Set<string>} */ (new Set()));
  const setOpen = useCallback((/** @type {string[]} */ ids, /** @type {boolean} */ open) => {
    setOpened((now) => {
      const next = new Set(now);
      for (const id of ids) next[open ? 'add' : 'delete'](id);
      return next;
    });
  }, []);
  const closeAll = useCallback(() => setOpened(new Set()), []);
  return { opened, setOpen, closeAll };
}

/**
 * The sections and entries that have to be open for these errors to be seen.
 * @param {Errors} errors
 * @param {Values} values
 */
function toOpen(errors, values) {
  const entries = Object.keys(errors).flatMap((path) => {
    const [field, index] = path.split('.');
    const entry = field === 'tools' ? values.tools[Number(index)] : null;
    return entry ? [`tool-${entry.key}`] : [];
  });
  return [...sectionsWith(errors), ...entries];
}

/**
 * @param {Catalog | null} catalog
 * @param {string} providerId
 * @param {string | null} modelId
 */
function findModel(catalog, providerId, modelId) {
  const provider = catalog?.providers.find(({ id }) => id === providerId);
  return provider?.models.find(({ id }) => id === modelId) ?? null;
}

/**
 * The form's values as typed, the messages beside its fields, and the draft stored in the browser.
 * `base` is the text of an opened file whose manual edits are kept, or null.
 * `edition` counts how often all values were replaced at once: fields rendered again with it start without
 * the browser's undo history, which would otherwise apply to the wrong text, and an answer that was
 * requested for an earlier edition is dropped.
 * The grants are the files and hosts of tests, which another agent must not inherit.
 * @param {Catalog | null} catalog
 * @param {GrantActions} grants
 */
export function useAgentForm(catalog, { withdraw, restore }) {
  const [draft] = useState(readDraft);
  const [typed, setTyped] = useState(draft.values);
  const [base, setBase] = useState(draft.base);
  const [errors, setErrors] = useState(/** @type {Errors} */ ({}));
  const [lines, setLines] = useState(/** @type {Record<string, number>} */ ({}));
  const [undo, setUndo] = useState(/** @type {Undo | null} */ (null));
  const { edition, now: editionNow, next: nextEdition } = useEdition();
  const [note, setNote] = useState(/** @type {string | null} */ (null));
  const { opened, setOpen, closeAll } = useOpened();
  const values = useMemo(() => withCatalog(typed, catalog), [typed, catalog]);
  useStoredDraft(typed, base);

  /** `paths`: what was changed, where that is less than whole fields. */
  const change = useCallback((/** @type {Partial<Values>} */ changed, paths = Object.keys(changed)) => {
    setTyped((now) => ({ ...now, ...changed }));
    setErrors((now) => withoutErrors(now, paths));
    setUndo(null);
  }, []);

  // Reading a file takes a while: undo restores the form as it is then, not as it was when the file was chosen.
  const present = useRef({ typed, base, withdraw });
  useLayoutEffect(() => {
    present.current = { typed, base, withdraw };
  }, [typed, base, withdraw]);

  /** Returns the new edition. */
  const replace = useCallback(
    (/** @type {Values} */ next, /** @type {{ base?: string | null, undo: string, sameAgent?: boolean }} */ { base: nextBase = null, undo: label, sameAgent = false }) => {
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

  const applyUndo = useCallback(() => {
    if (!undo) return;
    setTyped(undo.typed);
    setBase(undo.base);
    if (undo.grants) restore(undo.grants);
    setUndo(null);
    setErrors({});
    setNote(null);
    nextEdition();
  }, [undo, restore, nextEdition]);

  /** Removes options that the new model doesn't support; `note` says so. */
  const chooseModel = useCallback(
    (/** @type {string} */ provider, /** @type {string | null} */ model) => {
      const { changed, note: said } = fitToModel(values, findModel(catalog, provider, model));
      change({ provider, model, base_url: '', ...changed });
      setNote(said);
    },
    [values, catalog, change],
  );

  /** `found`: messages by path; `at`: lines of sources by path. */
  const showErrors = useCallback(
    (/** @type {Errors} */ found, /** @type {Record<string, number>} */ at = {}) => {
      setErrors(found);
      setLines(at);
      setOpen(toOpen(found, values), true);
    },
    [values, setOpen],
  );

  return {
    values,
    base,
    setBase,
    errors,
    lines,
    showErrors,
    change,
    replace,
    reset,
    undo: undo && { label: undo.label, run: applyUndo },
    edition,
    editionNow,
    note,
    dismissNote: useCallback(() => setNote(null), []),
    chooseModel,
    opened,
    setOpen,
  };
}

/** @typedef {ReturnType<typeof useAgentForm>} Form */
