import { useCallback, useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import * as api from '../api/client.js';
import { asApiError } from '../api/client.js';
import { describeProblem } from '../api/problems.js';
import { toBody } from '../grants/files.js';
import { storedFile, storeFile } from '../lib/tabState.js';
import { isActive } from '../run/runState.js';
import { useRun } from '../run/useRun.js';
import { fingerprint, toSpec } from './fields.js';
import { candidates, inOrder, knownErrors } from './paths.js';

/** @import { Answerer, Provider } from '../api/types' */
/** @import { ApiError } from '../api/client.js' */
/** @import { Problem } from '../api/problems.js' */
/** @import { GivenFile } from '../grants/files.js' */
/** @import { PageFile } from '../lib/tabState.js' */
/** @import { Server } from '../page/useServer.js' */
/** @import { Backend } from './backends.js' */
/** @import { Errors, Form } from './useAgentForm.js' */

/** @param {Errors} errors */
function focusFirst(errors) {
  const [first] = inOrder(errors);
  const field = candidates(first).map((id) => document.getElementById(id)).find(Boolean);
  field?.focus({ preventScroll: true });
  // Together with its message, which is below it.
  field?.closest('.code-field, .mantine-InputWrapper-root')?.scrollIntoView({ block: 'nearest' });
}

/**
 * The file of a run from before a reload, where the browser stored no more than the run's id.
 * @param {string} code
 * @returns {PageFile}
 */
function fileOfRun(code) {
  return { code, filename: 'agent.py', warnings: [], kept: [], fingerprint: null };
}

/** The file on the page. Every new one is stored for a reload. */
function useFile() {
  const [file, setFile] = useState(storedFile);
  const show = useCallback((/** @type {PageFile} */ next) => {
    setFile(next);
    storeFile(next);
  }, []);
  return { file, setFile, show };
}

const OTHER_AGENT = { title: 'Test not started', text: 'Another agent was loaded into the form. Test again to run that one.' };
const CONFLICT = { title: 'Test not started', text: 'Resolve the conflict shown above the code, then test again.' };

/** @param {number} count */
const fixFields = (count) => ({ title: 'Test not started', text: `Fix the highlighted ${count === 1 ? 'field' : 'fields'}, then test again.` });

/**
 * @typedef {object} BuilderOptions
 * @property {Form} form
 * @property {Server} server
 * @property {Provider | null} provider
 * @property {Backend | null} backend
 * @property {Answerer | null} answerer
 * @property {GivenFile[]} given
 * @property {string[]} granted
 */

/**
 * The two things the page does, Generate and Test Agent, and what came of them.
 * @param {BuilderOptions} options
 */
export function useBuilder({ form, server, provider, backend, answerer, given, granted }) {
  const { file, setFile, show } = useFile();
  const [generating, setGenerating] = useState(false);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const runner = useRun();
  const { values, base, setBase, showErrors, edition, editionNow } = form;
  const { reportOffline, refresh } = server;
  const { run, starting, launch, resume } = runner;

  const present = fingerprint(values);
  // Before the catalog has loaded the form lacks its model: the user has changed nothing.
  const stale = file !== null && server.catalog !== null && file.fingerprint !== present;
  const running = starting || isActive(run);
  const busy = generating || running;

  const ready = server.status === 'ready';
  useEffect(() => {
    if (!ready) return;
    resume().then(
      (record) => record && setFile((now) => now ?? fileOfRun(record.code)),
      (error) => error.code === 'offline' && reportOffline(error),
    );
  }, [ready, resume, reportOffline, setFile]);

  // A run takes a while; keys may have changed meanwhile.
  useEffect(() => {
    if (run.exit) refresh();
  }, [run.exit, refresh]);

  const fail = useCallback(
    (/** @type {ApiError} */ error, /** @type {boolean} */ testing) => {
      if (error.code === 'offline') reportOffline(error);
      if (error.code === 'backend_unavailable') refresh();
      if (error.code === 'conflict') {
        setProblem(testing ? CONFLICT : null);
        return;
      }
      const known = knownErrors(error.fields);
      if (Object.keys(known).length === 0) {
        setProblem(describeProblem(error));
        return;
      }
      // Rendered at once: the field may be in a section that opens only now, and a screen reader
      // should read field and message together.
      flushSync(() => showErrors(known, error.lines));
      // The result still shows the previous run: say that this test was not started.
      if (testing) setProblem(fixFields(Object.keys(known).length));
      focusFirst(known);
    },
    [reportOffline, refresh, showErrors],
  );

  /** Resolves to the generated file; to null when it failed and the page says why, or has another agent by now. */
  const write = useCallback(
    async (/** @type {boolean} */ testing, onto = base) => {
      setGenerating(true);
      showErrors({});
      try {
        const answer = await api.generate(toSpec(values), onto);
        if (editionNow() !== edition) {
          if (testing) setProblem(OTHER_AGENT);
          return null;
        }
        const written = { ...answer, fingerprint: present };
        show(written);
        setBase(answer.kept.length > 0 ? answer.code : null);
        return written;
      } catch (thrown) {
        const error = asApiError(thrown);
        if (editionNow() !== edition && error.code !== 'offline') {
          if (testing) setProblem(OTHER_AGENT);
          return null;
        }
        if (error.code === 'conflict' && onto !== null) {
          setFile((now) => ({ ...(now ?? fileOfRun(onto)), code: onto, kept: [], conflicts: error.conflicts }));
        }
        fail(error, testing);
        return null;
      } finally {
        setGenerating(false);
      }
    },
    [values, base, setBase, present, edition, editionNow, fail, show, setFile, showErrors],
  );

  const generate = useCallback(async () => {
    if (busy || !provider) return null;
    setProblem(null);
    return write(false);
  }, [busy, provider, write]);

  /** From the form alone: manual edits of the file are discarded. */
  const discardEdits = useCallback(async () => {
    if (busy || !provider) return null;
    setProblem(null);
    return write(false, null);
  }, [busy, provider, write]);

  const test = useCallback(async () => {
    if (busy || !backend) return;
    setProblem(null);
    const prepare = async () => {
      const program = file && !stale ? file : await write(true);
      return program && { code: program.code, task: values.task, backend, files: toBody(given), egress: granted };
    };
    try {
      await launch(prepare, answerer?.name ?? '');
    } catch (error) {
      fail(asApiError(error), true);
    }
  }, [busy, backend, file, stale, write, values.task, given, granted, launch, answerer, fail]);

  const dismissProblem = useCallback(() => setProblem(null), []);

  return { file, show, stale, generating, running, busy, problem, setProblem, dismissProblem, fail, generate, discardEdits, test, runner };
}

/** @typedef {ReturnType<typeof useBuilder>} Builder */
