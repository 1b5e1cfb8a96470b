import { describe, expect, it } from 'vitest';
import { applyEvents, idleRun, isOfEarlierFile, limitName, restoredRun, statusText, statusTone, stopReason } from '../../src/run/runState.js';

const started = { type: 'started', backend: 'local', model_label: 'local model', limits: { wall_s: 60 }, granted: { hosts: [], files: [] }, missing: [] };
const running = applyEvents({ ...idleRun, status: 'queued' }, [{ ...started, backend: 'local' }], 5);

function ended(...events) {
  return applyEvents(running, events, 9);
}

describe('a run', () => {
  it('takes what it was granted, and what its tools lack, from `started`', () => {
    const granted = { hosts: ['a.example:443'], files: ['data.csv'] };
    const missing = [{ tool: 'query_sqlite', kind: 'files', names: ['data.db'], message: 'query_sqlite finds no data.db' }];
    const run = applyEvents(idleRun, [{ ...started, granted, missing }], 0);
    expect(run).toMatchObject({ granted, missing: ['query_sqlite finds no data.db'] });
    expect(running).toMatchObject({ granted: { hosts: [], files: [] }, missing: [] });
  });

  it('takes also what no tool lacks but the model that answers, each once', () => {
    const lack = { tool: '', kind: 'answer', names: [], message: 'the built-in model holds to no such type' };
    expect(applyEvents(idleRun, [{ ...started, missing: [lack, lack] }], 0).missing).toEqual([lack.message]);
  });

  it('is of an earlier file once the page shows another, also after a reload', () => {
    const run = restoredRun({ id: 'r1', answerer: '' }, { status: 'success', code: 'a' }, 1, 2);
    expect([run.code, isOfEarlierFile(run, { code: 'b' }, false)]).toEqual(['a', true]);
    expect(isOfEarlierFile(run, { code: 'a' }, false)).toBe(false);
    expect(isOfEarlierFile(run, { code: 'b' }, true)).toBe(false);
    expect(isOfEarlierFile(idleRun, { code: 'b' }, false)).toBe(false);
  });

  it('takes backend and start from `started`', () => {
    expect(running).toMatchObject({ status: 'running', backend: 'local', modelLabel: 'local model', startedAt: 5 });
  });

  it('collects output, calls and the end in one batch', () => {
    const run = ended(
      { type: 'output', stream: 'stderr', text: 'x' },
      { type: 'model_call', duration: 1 },
      { type: 'exit', status: 'success', returncode: 0 },
    );
    expect(run.output.segments).toHaveLength(1);
    expect(run.calls).toHaveLength(1);
    expect([run.status, statusText(run), statusTone(run)]).toEqual(['success', 'Done', 'good']);
  });

  it('shows an agent that stopped early as such, not as a failure', () => {
    const run = ended({ type: 'exit', status: 'error', returncode: 3, stopped_early: true });
    expect([run.status, statusText(run), statusTone(run)]).toEqual(['error', 'Stopped early', 'caution']);
  });

  it('names the limit that ended it', () => {
    const run = ended(
      { type: 'limit', kind: 'memory', message: 'memory (512 MiB)' },
      { type: 'exit', status: 'limit', reason: 'memory' },
    );
    expect(statusText(run)).toBe('Limit reached: memory');
    expect(run.output.segments[0].blocks.join('')).toBe('Limit reached: memory (512 MiB)');
  });

  it.each([
    ['wall', 'wall (60 s)', 'Limit reached: time (60 s)'],
    ['cpu', 'cpu (30 s)', 'Limit reached: CPU time (30 s)'],
    ['recording', 'this run is recorded no further', 'Limit reached: this run is recorded no further'],
  ])('shows a limit of kind %s by the name that the badge has', (kind, message, shown) => {
    const run = ended({ type: 'limit', kind, message }, { type: 'exit', status: 'limit', reason: kind });
    expect(run.output.segments[0].blocks.join('')).toBe(shown);
  });

  it('keeps which budget was reached, for the note over the output', () => {
    const message = 'budget of $0.50 for this run: no call is left';
    const run = ended({ type: 'limit', kind: 'budget', message }, { type: 'exit', status: 'limit', reason: 'budget' });
    expect([run.budget, statusText(run)]).toEqual([message, 'Limit reached: budget']);
  });

  it('keeps what the sandbox refused apart from the output', () => {
    const run = ended({ type: 'output', stream: 'stdout', text: 'a' }, { type: 'denied', message: 'no' });
    expect(run.output.segments.map(({ stream }) => stream)).toEqual(['stdout']);
    expect(run.denied).toBe('no');
    expect(ended({ type: 'output', stream: 'stdout', text: 'Denied: no' }).denied).toBe(null);
  });

  it('ignores events it does not know', () => {
    expect(ended({ type: 'novelty' }).status).toBe('running');
  });

  it.each([['success', 'good'], ['error', 'bad'], ['timeout', 'caution'], ['cancelled', 'quiet'], ['failed', 'bad']])(
    'has a tone for %s',
    (status, tone) => expect(statusTone(ended({ type: 'exit', status, returncode: 1 }))).toBe(tone),
  );
});

it('calls a run interrupted when the server stopped under it', () => {
  const run = ended({ type: 'exit', status: 'failed', interrupted: true });
  expect([statusText(run), statusTone(run)]).toEqual(['Interrupted', 'caution']);
  expect(statusText(ended({ type: 'exit', status: 'failed', reason: 'no fork server' }))).toBe('Could not run');
});

describe('a run taken up again', () => {
  const kept = { id: 'r1', answerer: 'Anthropic API' };

  it('goes on counting from where it began', () => {
    const run = restoredRun(kept, { status: 'running' }, 3000, 10_000);
    expect(run).toMatchObject({ id: 'r1', status: 'running', restored: true, startedAt: 7000 });
    expect(applyEvents(run, [started], 10_050).startedAt).toBe(7000);
  });

  it('is never older than its time limit, whatever the clocks say', () => {
    const run = restoredRun(kept, { status: 'running' }, 3_600_000, 10_000);
    expect(applyEvents(run, [started], 10_000).startedAt).toBe(-50_000);
    expect(restoredRun(kept, { status: 'running' }, Number.NaN, 10_000).startedAt).toBe(10_000);
  });

  it('waits for its events when it has ended, or not begun', () => {
    expect(restoredRun(kept, { status: 'success' }, 1, 2)).toMatchObject({ status: 'restoring', startedAt: null });
    expect(applyEvents(restoredRun(kept, { status: 'queued' }, 9, 10), [started], 50).startedAt).toBe(50);
  });
});

it('names limits for people', () => {
  expect([limitName('cpu'), limitName('scratch'), limitName('new'), limitName(null)]).toEqual(['CPU time', 'disk space', 'new', null]);
});

it.each([['max_tokens', 'the response reached the max tokens limit'], ['refusal', 'the model refused'], ['tool_use', 'the agent reached its limit on turns or tokens'], ['end_turn', null]])(
  'explains a stop by the last call, which ended with %s',
  (reason, text) => expect(stopReason(ended({ type: 'model_call', 'gen_ai.response.finish_reasons': [reason] }))).toBe(text),
);
