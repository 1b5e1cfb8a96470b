import { useCallback, useState } from 'react';
import * as api from './api.js';
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

/** The two things the page does, Generate and Test Agent, and what came of them. */
export function useBuilder({ form, server, provider, backend }) {
  const [generated, setGenerated] = useState(null);
  const [generating, setGenerating] = useState(false);
  const [problem, setProblem] = useState(null);
  const runner = useRun();
  const { values, setErrors } = form;
  const { reportOffline } = server;

  const present = fingerprint(values);
  const stale = generated !== null && generated.fingerprint !== present;
  const busy = generating || isActive(runner.run);

  const fail = useCallback(
    (error) => {
      if (error.code === 'offline') reportOffline(error);
      const known = Object.fromEntries(Object.entries(error.fields ?? {}).filter(([field]) => FIELDS.includes(field)));
      if (Object.keys(known).length === 0) return setProblem(describeProblem(error));
      setErrors(known);
      return focusFirst(known);
    },
    [reportOffline, setErrors],
  );

  /** Resolves to the generated file, or null when it failed and the page says why. */
  const write = useCallback(async () => {
    setGenerating(true);
    setErrors({});
    try {
      const file = { ...(await api.generate(values)), fingerprint: present };
      setGenerated(file);
      return file;
    } catch (error) {
      fail(error);
      return null;
    } finally {
      setGenerating(false);
    }
  }, [values, present, fail, setErrors]);

  const generate = useCallback(async () => {
    if (busy) return null;
    setProblem(null);
    return write();
  }, [busy, write]);

  const test = useCallback(async () => {
    if (busy) return;
    setProblem(null);
    const mine = runner.begin(provider?.label ?? '');
    const file = generated && !stale ? generated : await write();
    if (!file) {
      runner.clear();
      return;
    }
    try {
      await runner.start(mine, { code: file.code, task: values.task, backend });
    } catch (error) {
      runner.clear();
      fail(error);
    }
  }, [busy, runner, provider, generated, stale, write, values.task, backend, fail]);

  const dismissProblem = useCallback(() => setProblem(null), []);

  return { generated, generating, stale, problem, dismissProblem, generate, test, runner };
}
