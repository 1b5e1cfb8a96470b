import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { forgetRun, storedFile, storedRun, storeFile, storeRun } from '../../src/lib/tabState.js';

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

it('restores the run and the file', () => {
  expect([storedRun(), storedFile()]).toEqual([null, null]);
  storeRun({ ...run, abort: {} });
  storeFile({ ...file, message: 'written' });
  expect([storedRun(), storedFile()]).toEqual([run, file]);
  forgetRun();
  expect(storedRun()).toBeNull();
});

it('stores nothing rather than the previous file when storage is full', () => {
  storeFile(file);
  globalThis.window.sessionStorage.setItem = () => {
    throw new Error('QuotaExceededError');
  };
  storeFile({ ...file, code: 'new' });
  expect(storedFile()).toBeNull();
});

it('ignores values of other types, and works without storage', () => {
  for (const key of ['llm-agent-builder.run', 'llm-agent-builder.file']) area.set(key, '{"id": 7, "code": null}');
  expect([storedRun(), storedFile()]).toEqual([null, null]);
  vi.stubGlobal('window', {});
  storeRun(run);
  expect(storedRun()).toBeNull();
});
