import { describe, expect, it } from 'vitest';
import { ApiError } from '../../src/api/client.js';
import { followRun } from '../../src/api/followRun.js';

function frame(id, type, data = {}) {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** A connection that sends `text` and then closes, or breaks. */
function connection(text, { breaks = false } = {}) {
  return new ReadableStream({
    pull(controller) {
      if (text) {
        controller.enqueue(new TextEncoder().encode(text));
        text = '';
      } else if (breaks) controller.error(new TypeError('network error'));
      else controller.close();
    },
  });
}

/** A server whose answers to successive connections are given. */
function serverOf(answers) {
  const asked = [];
  return {
    asked,
    openEvents: async (id, lastId) => {
      asked.push(lastId);
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

async function follow(api, signal = new AbortController().signal) {
  const events = [];
  const connections = [];
  await followRun({
    api,
    id: 'r1',
    signal,
    onEvent: (event) => events.push(event),
    onConnection: (state) => connections.push(state),
    firstWait: 0,
  });
  return { events, connections };
}

describe('following a run', () => {
  it('delivers events in order and stops after exit', async () => {
    const api = serverOf([connection(frame(1, 'started') + frame(2, 'output', { text: 'a' }) + frame(3, 'exit', { status: 'success' }))]);
    const { events } = await follow(api);
    expect(events.map(({ type }) => type)).toEqual(['started', 'output', 'exit']);
    expect(api.asked).toEqual([null]);
  });

  it('resumes a cut connection after the last event and shows nothing twice', async () => {
    const api = serverOf([
      connection(frame(1, 'started') + frame(2, 'output', { text: 'a' }), { breaks: true }),
      connection(frame(2, 'output', { text: 'a' }) + frame(3, 'output', { text: 'b' }) + frame(4, 'exit', { status: 'success' })),
    ]);
    const { events, connections } = await follow(api);
    expect(events.map(({ text }) => text).filter(Boolean)).toEqual(['a', 'b']);
    expect(api.asked).toEqual([null, 2]);
    expect(connections).toEqual(['open', 'lost', 'open']);
  });

  it('tries again while the server is away', async () => {
    const away = new ApiError('', { code: 'offline' });
    const api = serverOf([away, away, connection(frame(1, 'exit', { status: 'success' }))]);
    expect((await follow(api)).events).toHaveLength(1);
  });

  it('resumes when the stream closed without exit', async () => {
    const api = serverOf([connection(frame(1, 'started')), connection(frame(2, 'exit', { status: 'failed', interrupted: true }))]);
    const { events } = await follow(api);
    expect(events.at(-1)).toMatchObject({ type: 'exit', status: 'failed', interrupted: true });
    expect(api.asked).toEqual([null, 1]);
  });

  it('throws at once when the run is unknown', async () => {
    const api = serverOf([new ApiError('No such run', { code: 'not_found', status: 404 })]);
    await expect(follow(api)).rejects.toMatchObject({ status: 404 });
  });

  it('gives up after ten attempts without an event', async () => {
    const api = serverOf(Array.from({ length: 20 }, () => new ApiError('', { code: 'offline' })));
    await expect(follow(api)).rejects.toMatchObject({ code: 'offline' });
    expect(api.asked).toHaveLength(11);
  });

  it('survives an event that is not JSON', async () => {
    const api = serverOf([connection(`id: 1\nevent: output\ndata: {oops\n\n${frame(2, 'exit', { status: 'success' })}`)]);
    expect((await follow(api)).events.map(({ type }) => type)).toEqual(['exit']);
  });

  it('stops silently when it is no longer wanted', async () => {
    const abort = new AbortController();
    abort.abort();
    const { events } = await follow(serverOf([new ApiError('', { code: 'aborted' })]), abort.signal);
    expect(events).toEqual([]);
  });
});
