import { useCallback, useState } from 'react';
import * as api from './api.js';
import { atOwnServer, fingerprint, fromSpec, starter, withoutKnownAddress } from './fields.js';
import { sizeText } from './files.js';
import { describeProblem } from './problems.js';

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

const isOurs = (error) => error.code !== 'not_ours';

const OPENAI_AGENTS = /^\s*(from|import)\s+agents\b/m;

/** The server says of a file it can't use what it is, or has: "is not Python: ...". */
const aboutFile = (message) => `It ${message}${/[.!?]$/.test(message) ? '' : '.'}`;

/**
 * Opens an agent file: its values go into the form, its hand-written parts are kept, and one that is
 * not ours is offered to be imported. `show` puts a file on the page.
 */
export function useOpenFile({ form, catalog, show, reportOffline }) {
  const [state, setState] = useState(nothing);
  const { replace, values } = form;

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
   * Reads source back into the form and puts it on the page. Resolves to whether it was ours.
   * `sameAgent`: what tests of it were given stays.
   */
  const openText = useCallback(
    async (name, code, { sameAgent = false } = {}) => {
      setState({ ...nothing, reading: true });
      try {
        const { spec, exact, edits, warnings } = await api.readAgent(code);
        const read = withoutKnownAddress(fromSpec(spec), catalog);
        replace(read, { base: exact ? null : code, undo: 'Undo open', sameAgent });
        const said = [...warnings, ...modelWarning(read, catalog)];
        show({ code, filename: name, warnings: said, kept: edits, fingerprint: fingerprint(read) });
        setState({ ...nothing, opened: { name, edits: edits.length } });
        return true;
      } catch (error) {
        if (isOurs(error)) fail(name, error);
        else setState({ ...nothing, foreign: { name, code, why: aboutFile(error.message), importable: OPENAI_AGENTS.test(code) } });
        return false;
      }
    },
    [replace, catalog, show, fail],
  );

  const open = useCallback(
    async (chosen) => {
      if (!chosen || !catalog) return false;
      const { code, problem } = await readText(chosen);
      if (!problem) return openText(chosen.name, code);
      setState({ ...nothing, problem });
      return false;
    },
    [catalog, openText],
  );

  /** Takes over what can be carried of a program that is not ours: of its first agent, or the one named. */
  const importForeign = useCallback(
    async ({ name, code }, agent) => {
      setState({ ...nothing, reading: true });
      try {
        const { provider, model } = values;
        const { spec, report, agents } = await api.importAgent({ code, provider, agent });
        replace(fromSpec(spec, { ...starter, provider, model }), { undo: 'Undo import' });
        setState({ ...nothing, report: { name, code, rows: report, others: agents.filter((other) => other !== spec.name) } });
      } catch (error) {
        fail(name, error);
      }
    },
    [values, replace, fail],
  );

  const dismiss = useCallback(() => setState(nothing), []);

  return { ...state, open, openText, importForeign, dismiss };
}
