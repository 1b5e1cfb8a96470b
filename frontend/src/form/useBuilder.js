import { useCallback, useEffect, useState } from 'react';
import { flushSync } from 'react-dom';
import * as api from '../api/client.js';
import { fingerprint, toSpec } from './fields.js';
import { toBody } from '../grants/files.js';
import { keepFile, keptFile } from '../lib/tabState.js';
import { candidates, inOrder, knownErrors } from './paths.js';
import { describeProblem } from '../api/problems.js';
import { isActive } from '../run/runState.js';
import { useRun } from '../run/useRun.js';

function focusFirst(errors) {
  const [first] = inOrder(errors);
  const field = candidates(first).map((id) => document.getElementById(id)).find(Boolean);
  field?.focus({ preventScroll: true });
  // With its message, which stands below it.
  field?.closest('.code-field, .mantine-InputWrapper-root')?.scrollIntoView({ block: 'nearest' });
}

/** The file of a run from before a reload, where the browser kept no more than the run's id. */
function fileOfRun({ code }) {
  return { code, filename: 'agent.py', warnings: [], kept: [], fingerprint: null };
}

/** The file on the page. Every new one is kept for a reload. */
function useFile() {
  const [file, setFile] = useState(keptFile);
  const show = useCallback((next) => {
    setFile(next);
    keepFile(next);
  }, []);
  return { file, setFile, show };
}

const OTHER_AGENT = { title: 'Nothing was run', text: 'The form was given another agent meanwhile. Test again to run that one.' };
const SETTLE = { title: 'Nothing was run', text: 'Settle what the form and the hand-written parts disagree on first: see the code.' };

/** The two things the page does, Generate and Test Agent, and what came of them. */
export function useBuilder({ form, server, provider, backend, answerer, given, granted }) {
  const { file, setFile, show } = useFile();
  const [generating, setGenerating] = useState(false);
  const [problem, setProblem] = useState(null);
  const runner = useRun();
  const { values, base, setBase, showErrors, edition, editionNow } = form;
  const { reportOffline, refresh } = server;
  const { run, starting, launch, resume } = runner;

  const present = fingerprint(values);
  // Before the catalog is there the form lacks its model: that is no change of the user's.
  const stale = file !== null && server.catalog !== null && file.fingerprint !== present;
  const running = starting || isActive(run);
  const busy = generating || running;

  const ready = server.status === 'ready';
  useEffect(() => {
    if (!ready) return;
    resume().then(
      (record) => record && setFile((now) => now ?? fileOfRun(record)),
      (error) => error.code === 'offline' && reportOffline(error),
    );
  }, [ready, resume, reportOffline, setFile]);

  // A run takes a while; what the page says about keys may have changed meanwhile.
  useEffect(() => {
    if (run.exit) refresh();
  }, [run.exit, refresh]);

  const fail = useCallback(
    (error, testing) => {
      if (error.code === 'offline') reportOffline(error);
      if (error.code === 'backend_unavailable') refresh();
      if (error.code === 'conflict') return setProblem(testing ? SETTLE : null);
      const known = knownErrors(error.fields ?? {});
      if (Object.keys(known).length === 0) return setProblem(describeProblem(error));
      // On the page at once: the field may be in a section that opens only now, and a screen reader
      // should read field and message together.
      flushSync(() => showErrors(known));
      // The result still shows the run before: say that this test did not come to be one.
      if (testing) setProblem({ title: 'Nothing was run', text: `Mend the marked ${Object.keys(known).length === 1 ? 'field' : 'fields'}, then test again.` });
      return focusFirst(known);
    },
    [reportOffline, refresh, showErrors],
  );

  /** Resolves to the generated file, or null when it failed and the page says why, or has another agent by now. */
  const write = useCallback(
    async (testing, onto = base) => {
      setGenerating(true);
      showErrors({});
      try {
        const answer = await api.generate(toSpec(values), onto);
        if (editionNow() !== edition) {
          if (testing) setProblem(OTHER_AGENT);
          return null;
        }
        const kept = answer.kept ?? [];
        const written = { ...answer, kept, fingerprint: present };
        show(written);
        setBase(kept.length > 0 ? answer.code : null);
        return written;
      } catch (error) {
        if (editionNow() !== edition && error.code !== 'offline') {
          if (testing) setProblem(OTHER_AGENT);
          return null;
        }
        if (error.code === 'conflict') setFile((now) => ({ ...(now ?? fileOfRun({})), code: onto, kept: [], conflicts: error.conflicts }));
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

  /** From the form alone: what was written by hand goes. */
  const writeAnew = useCallback(async () => {
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
      fail(error, true);
    }
  }, [busy, backend, file, stale, write, values.task, given, granted, launch, answerer, fail]);

  const dismissProblem = useCallback(() => setProblem(null), []);

  return {
    file,
    show,
    stale,
    generating,
    running,
    busy,
    problem,
    setProblem,
    dismissProblem,
    fail,
    generate,
    writeAnew,
    test,
    runner,
  };
}
