import { describe, expect, it } from 'vitest';
import { applyEvents, idleRun, limitName, statusText, statusTone } from '../src/runState.js';

const running = applyEvents({ ...idleRun, status: 'queued' }, [{ type: 'started', backend: 'local', tier: 'strong' }], 5);

function ended(...events) {
  return applyEvents(running, events, 9);
}

describe('a run', () => {
  it('takes backend and start from `started`', () => {
    expect(running).toMatchObject({ status: 'running', backend: 'local', tier: 'strong', startedAt: 5 });
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

  it('shows exit code 3 as stopped early, not as a failure', () => {
    const run = ended({ type: 'exit', status: 'error', returncode: 3 });
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

  it('puts refusals among the output, where they happened', () => {
    const run = ended({ type: 'output', stream: 'stdout', text: 'a' }, { type: 'denied', message: 'no' });
    expect(run.output.segments.map(({ stream }) => stream)).toEqual(['stdout', 'notice']);
  });

  it('ignores events it does not know', () => {
    expect(ended({ type: 'novelty' }).status).toBe('running');
  });

  it.each([['success', 'good'], ['error', 'bad'], ['timeout', 'caution'], ['cancelled', 'quiet'], ['failed', 'bad']])(
    'has a tone for %s',
    (status, tone) => expect(statusTone(ended({ type: 'exit', status, returncode: 1 }))).toBe(tone),
  );
});

it('knows limits by kind or by setting', () => {
  expect([limitName('cpu'), limitName('cpu_s'), limitName('scratch_mib'), limitName('new'), limitName(null)]).toEqual([
    'CPU time', 'CPU time', 'disk space', 'new', null,
  ]);
});
