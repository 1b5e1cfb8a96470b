import { useCallback, useEffect, useRef, useState } from 'react';
import * as api from '../api/client.js';
import { asApiError } from '../api/client.js';
import { describeProblem } from '../api/problems.js';
import { atOwnServer, fingerprint, fromSpec, starter, withoutKnownAddress } from '../form/fields.js';
import { sizeText } from '../grants/files.js';
import { sentence } from '../lib/format.js';
import { isJsonName, isSpecName, readSpec, specProblem } from './specFile.js';

/** @import { Catalog, ImportResponse } from '../api/types' */
/** @import { ApiError } from '../api/client.js' */
/** @import { Problem } from '../api/problems.js' */
/** @import { Values } from '../form/fields.js' */
/** @import { Form } from '../form/useAgentForm.js' */
/** @import { PageFile } from '../lib/tabState.js' */
/** @typedef {{ name: string, edits: number, edition: number, notes?: string[] }} Opened */
/** @typedef {{ name: string, code: string, rows: ImportResponse['report'], others: string[] }} Report */
/** @typedef {{ name: string, code: string, why: string, importable: boolean }} Foreign */
/**
 * @typedef {object} State
 * @property {boolean} reading
 * @property {Problem | null} problem
 * @property {Opened | null} opened
 * @property {Report | null} report of an import
 * @property {Foreign | null} foreign a program that is not an agent file
 */

/** @type {State} */
const nothing = { reading: false, problem: null, opened: null, report: null, foreign: null };

/**
 * @param {File} chosen
 * @param {Catalog} catalog
 * @returns {Promise<{ code?: string, problem?: Problem }>}
 */
async function readText(chosen, { code_max_bytes: most }) {
  if (chosen.size > most) {
    return { problem: { title: `${chosen.name} is too large`, text: `It has ${sizeText(chosen.size)}; the limit is ${sizeText(most)}.` } };
  }
  try {
    return { code: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await chosen.arrayBuffer()) };
  } catch {
    return { problem: { title: `Can’t read ${chosen.name}`, text: 'An agent file is Python source: text in UTF-8.' } };
  }
}

/**
 * Says that the file's model was replaced, where this server doesn't offer it.
 * @param {Values} values
 * @param {Catalog} catalog
 */
function modelWarning(values, catalog) {
  const provider = catalog.providers.find(({ id }) => id === values.provider);
  if (!provider || atOwnServer(values) || provider.models.some(({ id }) => id === values.model)) return [];
  return [`This server doesn’t offer the file’s model, ${values.model}. The form uses ${provider.default_model} instead.`];
}

/**
 * Notes about a JSON spec that was loaded into the form.
 * @param {{ values: Values, left: string[] }} read
 * @param {Catalog} catalog
 */
function specNotes({ values, left }, catalog) {
  const none = left.length > 0 ? [`Ignored, as the form has no such field: ${left.join(', ')}.`] : [];
  return [...none, ...(values.model === null ? [] : modelWarning(values, catalog))];
}

/**
 * The server's message about a file without its subject: "is not Python: ...".
 * @param {string} message
 */
const aboutFile = (message) => sentence(`The file ${message}`);

/** When several files are opened in a row, the last one wins, whichever is read first. */
function useTurns() {
  const latest = useRef(0);
  return useCallback(() => {
    latest.current += 1;
    const turn = latest.current;
    return () => turn === latest.current;
  }, []);
}

/**
 * What was opened, as long as the form has it: null once it has been undone, reset or its edits discarded.
 * @param {Opened | null} opened
 * @param {Form} form
 */
function stillOpen(opened, { edition, base }) {
  return opened?.edition === edition && (opened.edits === 0 || base !== null) ? opened : null;
}

/**
 * @typedef {object} OpenerOptions
 * @property {Form} form
 * @property {Catalog | null} catalog
 * @property {(file: PageFile) => void} show puts a file on the page
 * @property {(error: ApiError) => void} reportOffline
 */

/**
 * Opens an agent file: loads its values into the form, keeps its manual edits, and offers to import a
 * program of OpenAI's Agents SDK.
 * @param {OpenerOptions} options
 */
export function useOpenFile({ form, catalog, show, reportOffline }) {
  const [state, setState] = useState(nothing);
  const [early, setEarly] = useState(/** @type {File | null} */ (null));
  const { replace, values } = form;
  const takeTurn = useTurns();

  const fail = useCallback(
    (/** @type {string} */ name, /** @type {ApiError} */ error) => {
      if (error.code === 'offline') reportOffline(error);
      const said = Object.values(error.fields)[0] ?? aboutFile(error.message);
      const problem = error.status === 422 ? { title: `Can’t open ${name}`, text: said } : describeProblem(error);
      setState({ ...nothing, problem });
    },
    [reportOffline],
  );

  /**
   * Reads source back into the form and puts it on the page.
   * `sameAgent`: its tests keep their files and hosts.
   */
  const openText = useCallback(
    async (/** @type {string} */ name, /** @type {string} */ code, { sameAgent = false, isLatest = takeTurn() } = {}) => {
      if (!catalog) return;
      setState({ ...nothing, reading: true });
      try {
        const { spec, exact, edits, warnings } = await api.readAgent(code);
        if (!isLatest()) return;
        const read = withoutKnownAddress(fromSpec(spec, catalog.defaults), catalog);
        const edition = replace(read, { base: exact ? null : code, undo: 'Undo open', sameAgent });
        const said = [...warnings, ...modelWarning(read, catalog)];
        show({ code, filename: name, warnings: said, kept: edits, fingerprint: fingerprint(read) });
        setState({ ...nothing, opened: { name, edits: edits.length, edition } });
      } catch (thrown) {
        if (!isLatest()) return;
        const error = asApiError(thrown);
        if (error.code !== 'not_ours') fail(name, error);
        else setState({ ...nothing, foreign: { name, code, why: aboutFile(error.message), importable: error.importable } });
      }
    },
    [replace, catalog, show, fail, takeTurn],
  );

  const openSpec = useCallback(
    (/** @type {string} */ name, /** @type {string} */ text, /** @type {Catalog} */ known) => {
      const read = isJsonName(name) ? readSpec(text, known) : { why: '' };
      if ('why' in read) {
        setState({ ...nothing, problem: specProblem(name, read.why) });
        return;
      }
      const edition = replace(read.values, { undo: 'Undo open' });
      setState({ ...nothing, opened: { name, edits: 0, notes: specNotes(read, known), edition } });
    },
    [replace],
  );

  const open = useCallback(
    async (/** @type {File | undefined} */ chosen) => {
      if (!chosen) return;
      if (!catalog) {
        setState({ ...nothing, reading: true });
        setEarly(chosen);
        return;
      }
      const isLatest = takeTurn();
      const { code, problem } = await readText(chosen, catalog);
      if (!isLatest()) return;
      if (problem) setState({ ...nothing, problem });
      else if (code === undefined) setState(nothing);
      else if (isSpecName(chosen.name)) openSpec(chosen.name, code, catalog);
      else await openText(chosen.name, code, { isLatest });
    },
    [catalog, openText, openSpec, takeTurn],
  );

  // Dropped before the server responded.
  useEffect(() => {
    if (!catalog || !early) return;
    queueMicrotask(() => {
      setEarly(null);
      open(early);
    });
  }, [catalog, early, open]);

  /** Imports what can be converted of a foreign program: of its first agent, or of the one named. */
  const importForeign = useCallback(
    async (/** @type {{ name: string, code: string }} */ { name, code }, /** @type {string | undefined} */ agent) => {
      if (!catalog) return;
      const isLatest = takeTurn();
      setState({ ...nothing, reading: true });
      try {
        const { provider, model } = values;
        const { spec, report, agents } = await api.importAgent({ code, provider, agent });
        if (!isLatest()) return;
        replace(fromSpec(spec, catalog.defaults, { ...starter, provider, model }), { undo: 'Undo import' });
        setState({ ...nothing, report: { name, code, rows: report, others: agents.filter((other) => other !== spec.name) } });
      } catch (error) {
        if (isLatest()) fail(name, asApiError(error));
      }
    },
    [values, catalog, replace, fail, takeTurn],
  );

  const dismiss = useCallback(() => setState(nothing), []);

  return { ...state, opened: stillOpen(state.opened, form), open, openText, importForeign, dismiss };
}

/** @typedef {ReturnType<typeof useOpenFile>} Opener */
