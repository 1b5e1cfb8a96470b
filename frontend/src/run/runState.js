import { appendOutput, emptyOutput } from './output.js';

/** @import { Exit, Limit, ModelCall, RunEvent, RunResponse, Started } from '../api/types' */
/** @import { PageFile, StoredRun } from '../lib/tabState.js' */
/** @import { Output } from './output.js' */
/**
 * @typedef {object} Run a run as the page knows it
 * @property {Exit['status'] | 'queued' | 'running' | 'idle' | 'restoring' | 'lost'} status the server's, or one of
 *   the page's: `idle` before any run, `restoring` until the one from before a reload has loaded, `lost` when its
 *   outcome can't be known
 * @property {string | null} id
 * @property {boolean} restored
 * @property {string | null} code what ran; null while that isn't known
 * @property {string} answerer
 * @property {Started['granted']} granted what the run may reach beyond the model
 * @property {string[]} missing what the agent needs and doesn't have, in the server's words
 * @property {string | null} backend
 * @property {string | null} modelLabel
 * @property {number | null} startedAt
 * @property {Output} output
 * @property {ModelCall[]} calls
 * @property {string | null} lastLimit
 * @property {string | null} budget which budget was reached, in the server's words
 * @property {string | null} denied
 * @property {Exit | null} exit
 * @property {'open' | 'lost'} connection
 * @property {boolean} stopping
 * @property {string | null} problem
 */

/**
 * Everything here is pure: the clock's readings are passed in.
 * @type {Run}
 */
export const idleRun = {
  status: 'idle',
  id: null,
  restored: false,
  code: null,
  answerer: '',
  granted: { hosts: [], files: [] },
  missing: [],
  backend: null,
  modelLabel: null,
  startedAt: null,
  output: emptyOutput,
  calls: [],
  lastLimit: null,
  budget: null,
  denied: null,
  exit: null,
  connection: 'open',
  stopping: false,
  problem: null,
};

/** @type {Record<string, string>} */
const LIMIT_NAMES = { cpu: 'CPU time', wall: 'time', scratch: 'disk space' };

/**
 * Names a kind of limit for people: `cpu` -> "CPU time". Null when there is nothing to name.
 * @param {string | null | undefined} kind
 */
export function limitName(kind) {
  return kind ? (LIMIT_NAMES[kind] ?? kind) : null;
}

/**
 * The message of a limit with the page's name for its kind: "wall (60 s)" -> "time (60 s)".
 * @param {Limit} limit
 */
function limitText({ kind, message }) {
  return message.startsWith(kind) ? `${limitName(kind)}${message.slice(kind.length)}` : message;
}

/** @param {RunEvent} event */
function toChunk(event) {
  if (event.type === 'output') return { stream: event.stream, text: event.text };
  // A budget is explained by the note above the output.
  if (event.type === 'limit' && event.kind !== 'budget') return { stream: 'notice', text: `Limit reached: ${limitText(event)}` };
  return null;
}

/**
 * When a run began. After a reload its record says so, within what its time limit allows.
 * @param {Run} run
 * @param {Started} started
 * @param {number} now
 */
function startOf(run, { limits }, now) {
  return Math.max(run.startedAt ?? now, now - limits.wall_s * 1000);
}

/**
 * The state of a run that was on the page before a reload; `ageMs` is the time since it was created.
 * @param {StoredRun} stored
 * @param {Pick<RunResponse, 'status' | 'code'>} record
 * @param {number} ageMs
 * @param {number} now
 * @returns {Run}
 */
export function restoredRun({ id, answerer }, record, ageMs, now) {
  const active = isActive(record);
  return {
    ...idleRun,
    id,
    answerer,
    restored: true,
    code: record.code,
    // The end is shown when its event comes, together with everything before it.
    status: active ? record.status : 'restoring',
    startedAt: record.status === 'running' ? now - Math.max(0, ageMs || 0) : null,
  };
}

/**
 * @param {Run} run
 * @param {RunEvent} event
 * @param {number} now
 * @returns {Run}
 */
function apply(run, event, now) {
  switch (event.type) {
    case 'started':
      return {
        ...run,
        status: 'running',
        backend: event.backend,
        modelLabel: event.model_label,
        granted: event.granted,
        missing: [...new Set(event.missing.map(({ message }) => message))],
        startedAt: startOf(run, event, now),
      };
    case 'model_call':
      return { ...run, calls: [...run.calls, event] };
    case 'limit':
      return { ...run, lastLimit: event.kind, budget: event.kind === 'budget' ? event.message : run.budget };
    case 'denied':
      return { ...run, denied: event.message };
    case 'exit':
      return { ...run, status: event.status, exit: event, connection: 'open', stopping: false };
    default:
      return run;
  }
}

/**
 * Applies a batch of events in order.
 * @param {Run} run
 * @param {RunEvent[]} events
 * @param {number} now
 * @returns {Run}
 */
export function applyEvents(run, events, now) {
  const chunks = events.map(toChunk).filter((chunk) => chunk !== null);
  const output = chunks.length > 0 ? appendOutput(run.output, chunks) : run.output;
  return { ...events.reduce((state, event) => apply(state, event, now), run), output };
}

/** @param {{ status: string }} run */
export function isActive(run) {
  return run.status === 'queued' || run.status === 'running';
}

/**
 * Whether the page shows another file than the one that ran; not while the next run is being prepared.
 * @param {Run} run
 * @param {PageFile | null} file
 * @param {boolean} busy
 */
export function isOfEarlierFile(run, file, busy) {
  return !busy && run.code !== null && file !== null && file.code !== run.code;
}

/**
 * Whether the user ended it, or is about to: a call that is cut off then is not a failure.
 * @param {Run} run
 */
export function isCancelled(run) {
  return run.status === 'cancelled' || run.stopping;
}

/** @param {Run} run */
export function interrupted(run) {
  return run.exit?.interrupted === true;
}

/**
 * Whether the agent stopped early, as the server says: that is not a failure.
 * @param {Run} run
 */
export function stoppedEarly(run) {
  return run.exit?.stopped_early === true;
}

export const HIT_MAX_TOKENS = 'the response reached the max tokens limit';

/** @type {Record<string, string>} */
const STOPS = {
  max_tokens: HIT_MAX_TOKENS,
  length: HIT_MAX_TOKENS,
  refusal: 'the model refused',
  content_filter: 'the model refused',
  model_context_window_exceeded: 'the context window is full',
  tool_use: 'the agent reached its limit on turns or tokens',
  tool_calls: 'the agent reached its limit on turns or tokens',
};

/**
 * Why an agent stopped early, from how its last model call ended; null where that is not known.
 * @param {Run} run
 */
export function stopReason(run) {
  const reasons = run.calls.at(-1)?.['gen_ai.response.finish_reasons'];
  return STOPS[reasons?.at(-1) ?? ''] ?? null;
}

/** @type {Record<string, string>} */
const STATUS_TEXT = {
  idle: 'Not run yet',
  restoring: 'Loading',
  queued: 'Queued',
  running: 'Running',
  success: 'Done',
  error: 'Failed',
  timeout: 'Timed out',
  limit: 'Limit reached',
  cancelled: 'Cancelled',
  failed: 'Could not run',
  lost: 'Outcome unknown',
};

/** @param {Run} run */
export function statusText(run) {
  if (stoppedEarly(run)) return 'Stopped early';
  if (interrupted(run)) return 'Interrupted';
  const text = STATUS_TEXT[run.status] ?? run.status;
  if (run.status !== 'limit') return text;
  const name = limitName(run.lastLimit ?? run.exit?.reason);
  return name ? `${text}: ${name}` : text;
}

/**
 * @param {Run} run
 * @returns {'quiet' | 'active' | 'good' | 'caution' | 'bad'}
 */
export function statusTone(run) {
  if (isActive(run)) return 'active';
  if (run.status === 'success') return 'good';
  if (['idle', 'restoring', 'cancelled'].includes(run.status)) return 'quiet';
  if (stoppedEarly(run) || interrupted(run)) return 'caution';
  if (['timeout', 'limit', 'lost'].includes(run.status)) return 'caution';
  return 'bad';
}
