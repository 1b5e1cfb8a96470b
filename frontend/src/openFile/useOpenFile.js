import { useCallback, useEffect, useRef, useState } from 'react';
import * as api from '../api/client.js';
import { atOwnServer, fingerprint, fromSpec, starter, withoutKnownAddress } from '../form/fields.js';
import { sizeText } from '../grants/files.js';
import { describeProblem } from '../api/problems.js';
import { isJsonName, isSpecName, readSpec, specProblem } from './specFile.js';

// What server/models.py takes.
const MAX_BYTES = 1024 * 1024;
const nothing = { reading: false, problem: null, opened: null, report: null, foreign: null };

async function readText(chosen) {
  if (chosen.size > MAX_BYTES) {
    const text = `It is ${sizeText(chosen.size)} long; an agent has at most ${sizeText(MAX_BYTES)}.`;
    return { problem: { title: `${chosen.name} is too long`, text } };
  }
  try {
    return { code: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await chosen.arrayBuffer()) };
  } catch {
    return { problem: { title: `${chosen.name} can’t be read`, text: 'An agent is a Python file: text in UTF-8.' } };
  }
}

/** A model that this server doesn't offer is replaced in the form: say so, and how to have it. */
function modelWarning(values, catalog) {
  const provider = catalog.providers.find(({ id }) => id === values.provider);
  if (!provider || atOwnServer(values) || provider.models.some(({ id }) => id === values.model)) return [];
  return [`This server does not offer the file’s model, ${values.model}: the form has ${provider.default_model} in its place.`];
}

/** What a JSON spec leaves to be said once it is in the form. */
function specNotes({ values, left }, catalog) {
  const none = left.length > 0 ? [`Not taken over, as the form has no place for it: ${left.join(', ')}.`] : [];
  return [...none, ...(values.model === null ? [] : modelWarning(values, catalog))];
}

const isOurs = (error) => error.code !== 'not_ours';

const OPENAI_AGENTS = /^\s*(from|import)\s+agents\b/m;

/** The server says of a file it can't use what it is, or has: "is not Python: ...". */
const aboutFile = (message) => `It ${message}${/[.!?]$/.test(message) ? '' : '.'}`;

/** Of files that are opened one after the other the last stays, whichever is read first. */
function useTurns() {
  const latest = useRef(0);
  return useCallback(() => {
    latest.current += 1;
    const turn = latest.current;
    return () => turn === latest.current;
  }, []);
}

/** What was opened, while that is what the form holds: not once it has been undone, reset or written anew. */
function stillOpen(opened, { edition, base }) {
  return opened?.edition === edition && (opened.edits === 0 || base !== null) ? opened : null;
}

/**
 * Opens an agent file: its values go into the form, its hand-written parts are kept, and one that is
 * not ours is offered to be imported. `show` puts a file on the page.
 */
export function useOpenFile({ form, catalog, show, reportOffline }) {
  const [state, setState] = useState(nothing);
  const [early, setEarly] = useState(null);
  const { replace, values } = form;
  const takeTurn = useTurns();

  const fail = useCallback(
    (name, error) => {
      if (error.code === 'offline') reportOffline(error);
      const said = Object.values(error.fields ?? {})[0] ?? aboutFile(error.message);
      const problem = error.status === 422 ? { title: `${name} was not opened`, text: said } : describeProblem(error);
      setState({ ...nothing, problem });
    },
    [reportOffline],
  );

  /**
   * Reads source back into the form and puts it on the page.
   * `sameAgent`: what tests of it were given stays.
   */
  const openText = useCallback(
    async (name, code, { sameAgent = false, isLatest = takeTurn() } = {}) => {
      setState({ ...nothing, reading: true });
      try {
        const { spec, exact, edits, warnings } = await api.readAgent(code);
        if (!isLatest()) return;
        const read = withoutKnownAddress(fromSpec(spec), catalog);
        const edition = replace(read, { base: exact ? null : code, undo: 'Undo open', sameAgent });
        const said = [...warnings, ...modelWarning(read, catalog)];
        show({ code, filename: name, warnings: said, kept: edits, fingerprint: fingerprint(read) });
        setState({ ...nothing, opened: { name, edits: edits.length, edition } });
      } catch (error) {
        if (!isLatest()) return;
        if (isOurs(error)) fail(name, error);
        else setState({ ...nothing, foreign: { name, code, why: aboutFile(error.message), importable: OPENAI_AGENTS.test(code) } });
      }
    },
    [replace, catalog, show, fail, takeTurn],
  );

  const openSpec = useCallback(
    (name, text) => {
      const read = isJsonName(name) ? readSpec(text, catalog) : {};
      if (!read.values) return setState({ ...nothing, problem: specProblem(name, read.why) });
      const edition = replace(read.values, { undo: 'Undo open' });
      return setState({ ...nothing, opened: { name, edits: 0, notes: specNotes(read, catalog), edition } });
    },
    [replace, catalog],
  );

  const open = useCallback(
    async (chosen) => {
      if (!chosen) return;
      if (!catalog) {
        setState({ ...nothing, reading: true });
        setEarly(chosen);
        return;
      }
      const isLatest = takeTurn();
      const { code, problem } = await readText(chosen);
      if (!isLatest()) return;
      if (problem) setState({ ...nothing, problem });
      else if (isSpecName(chosen.name)) openSpec(chosen.name, code);
      else await openText(chosen.name, code, { isLatest });
    },
    [catalog, openText, openSpec, takeTurn],
  );

  // Dropped before the server had answered.
  useEffect(() => {
    if (!catalog || !early) return;
    queueMicrotask(() => {
      setEarly(null);
      open(early);
    });
  }, [catalog, early, open]);

  /** Takes over what can be carried of a program that is not ours: of its first agent, or the one named. */
  const importForeign = useCallback(
    async ({ name, code }, agent) => {
      const isLatest = takeTurn();
      setState({ ...nothing, reading: true });
      try {
        const { provider, model } = values;
        const { spec, report, agents } = await api.importAgent({ code, provider, agent });
        if (!isLatest()) return;
        replace(fromSpec(spec, { ...starter, provider, model }), { undo: 'Undo import' });
        setState({ ...nothing, report: { name, code, rows: report, others: agents.filter((other) => other !== spec.name) } });
      } catch (error) {
        if (isLatest()) fail(name, error);
      }
    },
    [values, replace, fail, takeTurn],
  );

  const dismiss = useCallback(() => setState(nothing), []);

  return { ...state, opened: stillOpen(state.opened, form), open, openText, importForeign, dismiss };
}
