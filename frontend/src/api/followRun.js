import { ApiError } from './client.js';
import { readEvents } from './sse.js';

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8000;
const MAX_ATTEMPTS = 10;
// The server sends a comment now and then. A connection silent for this long is taken for dead:
// a sleeping laptop or a lost network often cuts it without saying so.
const SILENCE_MS = 60_000;
const ENDED = new Set(['success', 'error', 'timeout', 'limit', 'cancelled', 'failed']);

function wait(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null; // one unreadable event must not end the run on screen
  }
}

/** Passes a body's bytes through and breaks it when it stays silent for too long. */
function withSilenceLimit(body, ms) {
  let timer;
  const arm = (controller) => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.error(new Error('silent')), ms);
  };
  return body.pipeThrough(
    new TransformStream({
      start: arm,
      transform(chunk, controller) {
        arm(controller);
        controller.enqueue(chunk);
      },
      flush: () => clearTimeout(timer),
    }),
  );
}

/** Reads one connection. Returns whether the run has ended; `place.lastId` moves on with each event. */
async function readConnection({ body, place, onEvent }) {
  for await (const { type, data, id } of readEvents(withSilenceLimit(body, SILENCE_MS))) {
    const number = Number(id);
    // After a resume the server may repeat what was already shown.
    if (id !== undefined && place.lastId !== null && number <= place.lastId) continue;
    if (id !== undefined && Number.isFinite(number)) place.lastId = number;
    place.attempts = 0;
    const payload = parse(data);
    if (payload) onEvent({ ...payload, type });
    if (type === 'exit') return true;
  }
  return false;
}

/** A stream that closed without `exit`: the run's own record says whether there is more to come. */
async function endFromRecord({ api, id, signal, onEvent }) {
  const record = await api.getRun(id, signal);
  if (!ENDED.has(record.status)) return false;
  onEvent({ ...record, type: 'exit' });
  return true;
}

/** Errors that a later attempt can mend: no connection, or a server that is busy or restarting. */
function isPassing(error) {
  return error.code === undefined || error.code === 'offline' || error.status >= 500 || error.status === 429;
}

/** One connection from start to end. Returns whether the run is over. */
async function attempt({ api, id, signal, place, onEvent, onConnection }) {
  try {
    const body = await api.openEvents(id, place.lastId, signal);
    onConnection('open');
    if (await readConnection({ body, place, onEvent })) return true;
    return signal.aborted || (await endFromRecord({ api, id, signal, onEvent }));
  } catch (error) {
    if (signal.aborted) return true;
    if (!isPassing(error)) throw error;
    return false;
  }
}

/**
 * Delivers every event of a run to `onEvent`, once and in order, until it ends or `signal` aborts.
 * A cut connection is resumed after the last event seen, waiting longer each time; `onConnection`
 * hears `lost` and `open`. Throws an ApiError when the server answers that there is nothing to
 * resume, or after ten attempts in a row without an event.
 */
export async function followRun({ api, id, signal, onEvent, onConnection, firstWait = FIRST_WAIT_MS }) {
  const place = { lastId: null, attempts: 0 };
  while (!(await attempt({ api, id, signal, place, onEvent, onConnection }))) {
    if (place.attempts >= MAX_ATTEMPTS) {
      throw new ApiError('The connection to the run was lost.', { code: 'offline' });
    }
    onConnection('lost');
    await wait(Math.min(LONGEST_WAIT_MS, firstWait * 2 ** place.attempts), signal);
    place.attempts += 1;
  }
}
