import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { forgetRun, keepFile, keepRun, keptFile, keptRun } from '../../src/lib/tabState.js';

const file = { code: 'print()\n', filename: 'a.py', warnings: ['old'], kept: [{ first_line: 1, last_line: 2, kind: 'added' }], fingerprint: '[]' };
const run = { id: 'r1', answerer: 'Anthropic API' };
let area;

beforeEach(() => {
  area = new Map();
  const sessionStorage = {
    getItem: (key) => area.get(key) ?? null,
    setItem: (key, value) => area.set(key, value),
    removeItem: (key) => area.delete(key),
  };
  vi.stubGlobal('window', { sessionStorage });
});
afterEach(() => vi.unstubAllGlobals());

it('brings back the run and the file', () => {
  expect([keptRun(), keptFile()]).toEqual([null, null]);
  keepRun({ ...run, abort: {} });
  keepFile({ ...file, message: 'written' });
  expect([keptRun(), keptFile()]).toEqual([run, file]);
  forgetRun();
  expect(keptRun()).toBeNull();
});

it('keeps nothing rather than the file before when there is no room', () => {
  keepFile(file);
  globalThis.window.sessionStorage.setItem = () => {
    throw new Error('QuotaExceededError');
  };
  keepFile({ ...file, code: 'new' });
  expect(keptFile()).toBeNull();
});

it('takes nothing that is not of its kind, and lives without storage', () => {
  for (const key of ['llm-agent-builder.run', 'llm-agent-builder.file']) area.set(key, '{"id": 7, "code": null}');
  expect([keptRun(), keptFile()]).toEqual([null, null]);
  vi.stubGlobal('window', {});
  keepRun(run);
  expect(keptRun()).toBeNull();
});
