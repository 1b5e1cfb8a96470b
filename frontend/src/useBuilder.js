import { useCallback, useEffect, useState } from 'react';
import * as api from './api.js';
import { toBody } from './files.js';
import { keepFile, keptFile } from './kept.js';
import { describeProblem } from './problems.js';
import { fingerprint } from './useAgentForm.js';
import { isActive } from './runState.js';
import { useRun } from './useRun.js';

const FIELDS = ['name', 'prompt', 'task', 'provider', 'model', 'stream'];

export function fieldId(field) {
  return `field-${field}`;
}

function focusFirst(fields) {
  const first = FIELDS.find((field) => field in fields);
  // After the messages are on the page, so that a screen reader reads field and message together.
  requestAnimationFrame(() => document.getElementById(fieldId(first))?.focus());
}

/** The file of a run from before a reload, where the browser kept no more than the run's id. */
function fileOfRun({ code }) {
  return { code, filename: 'agent.py', warnings: [], fingerprint: null };
}

/** The two things the page does, Generate and Test Agent, and what came of them. */
export function useBuilder({ form, server, provider, backend, files }) {
  const [generated, setGenerated] = useState(keptFile);
  const [generating, setGenerating] = useState(false);
  const [problem, setProblem] = useState(null);
  const runner = useRun();
  const { values, setErrors } = form;
  const { reportOffline, refresh } = server;
  const { run, starting, launch, resume } = runner;

  const present = fingerprint(values);
  // Before the catalog is there the form lacks its model: that is no change of the user's.
  const stale = generated !== null && server.catalog !== null && generated.fingerprint !== present;
  const running = starting || isActive(run);
  const busy = generating || running;

  const ready = server.status === 'ready';
  useEffect(() => {
    if (!ready) return;
    resume().then(
      (record) => record && setGenerated((now) => now ?? fileOfRun(record)),
      (error) => error.code === 'offline' && reportOffline(error),
    );
  }, [ready, resume, reportOffline]);

  // A run takes a while; what the page says about keys may have changed meanwhile.
  useEffect(() => {
    if (run.exit) refresh();
  }, [run.exit, refresh]);

  const fail = useCallback(
    (error, testing) => {
      if (error.code === 'offline') reportOffline(error);
      if (error.code === 'backend_unavailable') refresh();
      const known = Object.fromEntries(Object.entries(error.fields ?? {}).filter(([field]) => FIELDS.includes(field)));
      if (Object.keys(known).length === 0) return setProblem(describeProblem(error));
      setErrors(known);
      // The result still shows the run before: say that this test did not come to be one.
      if (testing) setProblem({ title: 'Nothing was run', text: 'Mend the marked field, then test again.' });
      return focusFirst(known);
    },
    [reportOffline, refresh, setErrors],
  );

  /** Resolves to the generated file, or null when it failed and the page says why. */
  const write = useCallback(async (testing) => {
    setGenerating(true);
    setErrors({});
    try {
      const file = { ...(await api.generate(values)), fingerprint: present };
      setGenerated(file);
      keepFile(file);
      return file;
    } catch (error) {
      fail(error, testing);
      return null;
    } finally {
      setGenerating(false);
    }
  }, [values, present, fail, setErrors]);

  const generate = useCallback(async () => {
    if (busy || !provider) return null;
    setProblem(null);
    return write(false);
  }, [busy, provider, write]);

  const test = useCallback(async () => {
    if (busy || !backend) return;
    setProblem(null);
    const prepare = async () => {
      const file = generated && !stale ? generated : await write(true);
      return file && { code: file.code, task: values.task, backend, files: toBody(files) };
    };
    try {
      await launch(prepare, provider?.label ?? '');
    } catch (error) {
      fail(error, true);
    }
  }, [busy, backend, generated, stale, write, values.task, files, launch, provider, fail]);

  const dismissProblem = useCallback(() => setProblem(null), []);

  return { generated, generating, stale, running, problem, dismissProblem, generate, test, runner };
}
