import { useCallback, useEffect, useRef, useState } from 'react';
import * as api from '../api/client.js';
import { asApiError } from '../api/client.js';
import { describeProblem } from '../api/problems.js';
import { fingerprint, fromSpec, starter, withoutKnownAddress } from '../form/fields.js';
import { sizeText } from '../grants/files.js';
import { count, sentence } from '../lib/format.js';
import { replacedNotes } from './replaced.js';
import { ignoredNotes, specValues } from './specFile.js';

/** @import { Catalog, ImportResponse, ReadResponse, SpecFileResponse } from '../api/types' */
/** @import { ApiError } from '../api/client.js' */
/** @import { Problem } from '../api/problems.js' */
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
    return { problem: { title: `Can’t read ${chosen.name}`, text: 'Agent files and specs are text in UTF-8.' } };
  }
}

/**
 * The server's message about a file without its subject: "is not Python: ...".
 * @param {string} message
 */
const aboutFile = (message) => sentence(`The file ${message}`);

/**
 * Why the server can't read a file: its message at a field, with the line, or the one about the file.
 * @param {ApiError} error
 */
function whyUnreadable({ fields, lines, message }) {
  const [path] = Object.keys(fields);
  if (path === undefined) return aboutFile(message);
  return sentence(path in lines ? `${fields[path]} (line ${count(lines[path])})` : fields[path]);
}

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
 * Opens an agent file or a spec: loads its values into the form, keeps manual edits, and offers to import
 * a program of OpenAI's Agents SDK.
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
      const problem = error.status === 422 ? { title: `Can’t open ${name}`, text: whyUnreadable(error) } : describeProblem(error);
      setState({ ...nothing, problem });
    },
    [reportOffline],
  );

  const loadAgent = useCallback(
    (/** @type {string} */ name, /** @type {string} */ code, /** @type {ReadResponse} */ found, /** @type {Catalog} */ known, /** @type {boolean} */ sameAgent) => {
      const read = withoutKnownAddress(fromSpec(found.spec, known.defaults), known);
      const edition = replace(read, { base: found.exact ? null : code, undo: 'Undo open', sameAgent });
      const said = [...found.warnings, ...replacedNotes(read, known)];
      show({ code, filename: name, warnings: said, kept: found.edits, fingerprint: fingerprint(read) });
      setState({ ...nothing, opened: { name, edits: found.edits.length, edition } });
    },
    [replace, show],
  );

  const loadSpec = useCallback(
    (/** @type {string} */ name, /** @type {SpecFileResponse} */ found, /** @type {Catalog} */ known) => {
      const read = specValues(found.spec, known);
      const edition = replace(read, { undo: 'Undo open' });
      const notes = [...ignoredNotes(found.ignored), ...replacedNotes(read, known)];
      setState({ ...nothing, opened: { name, edits: 0, notes, edition } });
    },
    [replace],
  );

  /**
   * Reads an agent file or a spec back into the form, and puts an agent file on the page.
   * `sameAgent`: its tests keep their files and hosts.
   */
  const openText = useCallback(
    async (/** @type {string} */ name, /** @type {string} */ code, { sameAgent = false, isLatest = takeTurn() } = {}) => {
      if (!catalog) return;
      setState({ ...nothing, reading: true });
      try {
        const found = await api.readFile(code, name);
        if (!isLatest()) return;
        if ('ignored' in found) loadSpec(name, found, catalog);
        else loadAgent(name, code, found, catalog, sameAgent);
      } catch (thrown) {
        if (!isLatest()) return;
        const error = asApiError(thrown);
        if (error.code !== 'not_ours') fail(name, error);
        else setState({ ...nothing, foreign: { name, code, why: aboutFile(error.message), importable: error.importable } });
      }
    },
    [catalog, loadAgent, loadSpec, fail, takeTurn],
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
      else await openText(chosen.name, code, { isLatest });
    },
    [catalog, openText, takeTurn],
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
