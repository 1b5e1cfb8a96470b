import { ApiError, asApiError } from './client.js';
import { readEvents } from './sse.js';

/** @import { RunEvent } from './types' */
/** @typedef {ReadableStream<Uint8Array<ArrayBuffer>>} Body */
/**
 * @typedef {object} Connection
 * @property {{ openEvents: (id: string, lastEventId: number | null, signal: AbortSignal) => Promise<Body> }} api
 * @property {string} id
 * @property {AbortSignal} signal
 * @property {(event: RunEvent) => void} onEvent
 * @property {(state: 'open' | 'lost') => void} onConnection
 * @property {number} [firstWait] milliseconds
 */
/** @typedef {{ lastId: number | null, attempts: number }} Position */

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8000;
const MAX_ATTEMPTS = 10;
// The server sends a comment now and then. A sleeping laptop or a lost network often cuts a connection
// without saying so: one that is silent for this long is treated as cut.
const SILENCE_MS = 60_000;

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function wait(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(), ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** @param {string} data */
function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null; // one unreadable event must not end the run on screen
  }
}

/**
 * Passes a body's bytes through and fails when it is silent for too long.
 * @param {Body} body
 * @param {number} ms
 */
function withSilenceLimit(body, ms) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  /** @param {TransformStreamDefaultController} controller */
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

/**
 * Reads one connection. Returns whether the run has ended; updates `position` with each event.
 * @param {Body} body
 * @param {Position} position
 * @param {(event: RunEvent) => void} onEvent
 */
async function readConnection(body, position, onEvent) {
  for await (const { event: type, data, id } of readEvents(withSilenceLimit(body, SILENCE_MS))) {
    const number = Number(id);
    // After a resume the server may repeat events that were already shown.
    if (id !== undefined && position.lastId !== null && number <= position.lastId) continue;
    if (id !== undefined && Number.isFinite(number)) position.lastId = number;
    position.attempts = 0;
    const payload = parse(data);
    if (payload) onEvent({ ...payload, type });
    if (type === 'exit') return true;
  }
  return false;
}

/**
 * Says whether a later attempt may succeed: no connection, or a server that is busy or restarting.
 * @param {unknown} error
 */
function isPassing(error) {
  if (!(error instanceof ApiError)) return true; // a cut connection
  return error.code === 'offline' || error.status >= 500 || error.status === 429;
}

/**
 * One connection from start to end. Returns whether the run is over.
 * @param {Connection} connection
 * @param {Position} position
 */
async function attempt(connection, position) {
  const { api, id, signal, onEvent, onConnection } = connection;
  try {
    const body = await api.openEvents(id, position.lastId, signal);
    onConnection('open');
    return (await readConnection(body, position, onEvent)) || signal.aborted;
  } catch (error) {
    if (signal.aborted) return true;
    if (!isPassing(error)) throw asApiError(error);
    return false;
  }
}

/**
 * Delivers every event of a run to `onEvent`, once and in order, until it ends or `signal` aborts.
 * Resumes a cut connection after the last event seen, waiting longer each time; `onConnection` is
 * called with `lost` and `open`. Throws an ApiError when the server answers that there is nothing to
 * resume, or after ten attempts in a row without an event.
 * @param {Connection} connection
 */
export async function followRun(connection) {
  const { signal, onConnection, firstWait = FIRST_WAIT_MS } = connection;
  /** @type {Position} */
  const position = { lastId: null, attempts: 0 };
  while (!(await attempt(connection, position))) {
    if (position.attempts >= MAX_ATTEMPTS) {
      throw new ApiError('The connection to the run was lost.', { code: 'offline' });
    }
    onConnection('lost');
    await wait(Math.min(LONGEST_WAIT_MS, firstWait * 2 ** position.attempts), signal);
    position.attempts += 1;
  }
}
