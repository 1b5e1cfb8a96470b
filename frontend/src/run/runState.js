import { appendOutput, emptyOutput } from './output.js';

/** What a run may reach beyond the model: hosts as HOST:PORT, and names of files. */
const nothingGranted = { hosts: [], files: [] };

/**
 * A run as the page knows it. `status` is the server's own word, or one of the page's: `idle` before
 * any run, `restoring` until the one from before a reload is there, `lost` when its end can't be known.
 * Everything here is pure: the clock's readings are passed in.
 */
export const idleRun = {
  status: 'idle',
  id: null,
  restored: false,
  /** What ran; null while that isn't known. */
  code: null,
  answerer: '',
  granted: nothingGranted,
  /** What the agent needs and doesn't have, in the server's words. */
  missing: [],
  backend: null,
  modelLabel: null,
  tier: null,
  limits: null,
  startedAt: null,
  output: emptyOutput,
  calls: [],
  lastLimit: null,
  /** Which budget was reached, in the server's words. */
  budget: null,
  denied: null,
  exit: null,
  connection: 'open',
  stopping: false,
  problem: null,
};

const LIMIT_NAMES = {
  cpu: 'CPU time',
  wall: 'time',
  memory: 'memory',
  output: 'output',
  processes: 'processes',
  scratch: 'disk space',
  budget: 'budget',
};

/** Names a limit for people: `cpu_s` or `cpu` -> "CPU time". Null when there is nothing to name. */
export function limitName(kind) {
  if (!kind) return null;
  const known = Object.keys(LIMIT_NAMES).find((name) => String(kind).toLowerCase().startsWith(name));
  return known ? LIMIT_NAMES[known] : String(kind);
}

/** "memory (512 MiB)" -> "Limit reached: memory (512 MiB)", with the kind in plain words. */
function limitText({ kind, message }) {
  const name = limitName(kind);
  if (!message) return `Limit reached: ${name}`;
  return message.startsWith(`${kind} (`) ? `Limit reached: ${name}${message.slice(kind.length)}` : message;
}

function toChunk(event) {
  if (event.type === 'output') return { stream: event.stream === 'stderr' ? 'stderr' : 'stdout', text: event.text };
  // A budget has the note over the output, and what the agent made of it, to tell of it.
  if (event.type === 'limit' && event.kind === 'budget') return null;
  if (event.type === 'limit') return { stream: 'notice', text: limitText(event) };
  return null;
}

/** When a run began. After a reload that is what its record says, within what its time limit allows. */
function startOf(run, { limits }, now) {
  return Math.max(run.startedAt ?? now, now - (limits?.wall_s ?? Infinity) * 1000);
}

/** Where the page begins with a run that it takes up again; `ageMs` is how long ago that was made. */
export function restoredRun({ id, answerer }, record, ageMs, now) {
  const active = isActive(record);
  return {
    ...idleRun,
    id,
    answerer,
    restored: true,
    code: record.code ?? null,
    // The end is shown when its event comes, together with all that came before it.
    status: active ? record.status : 'restoring',
    startedAt: record.status === 'running' ? now - Math.max(0, ageMs || 0) : null,
  };
}

const transitions = {
  started: (run, event, now) => ({
    ...run,
    status: 'running',
    backend: event.backend,
    modelLabel: event.model_label ?? null,
    tier: event.tier ?? null,
    limits: event.limits ?? null,
    granted: event.granted ?? nothingGranted,
    missing: [...new Set((event.missing ?? []).map(({ message }) => message).filter(Boolean))],
    startedAt: startOf(run, event, now),
  }),
  model_call: (run, event) => ({ ...run, calls: [...run.calls, event] }),
  limit: (run, event) => ({
    ...run,
    lastLimit: event.kind ?? null,
    budget: event.kind === 'budget' ? event.message : run.budget,
  }),
  denied: (run, event) => ({ ...run, denied: event.message ?? null }),
  exit: (run, event) => ({
    ...run,
    status: event.status,
    backend: run.backend ?? event.backend ?? null,
    exit: event,
    connection: 'open',
    stopping: false,
  }),
};

/** Applies a batch of server events, `{type, ...data}`, in order. */
export function applyEvents(run, events, now) {
  const chunks = events.map(toChunk).filter(Boolean);
  const output = chunks.length > 0 ? appendOutput(run.output, chunks) : run.output;
  const applied = events.reduce((state, event) => transitions[event.type]?.(state, event, now) ?? state, run);
  return { ...applied, output };
}

export function isActive(run) {
  return run.status === 'queued' || run.status === 'running';
}

/** Whether the page shows another file than the one that ran; not while the next run is being made ready. */
export function isOfEarlierFile(run, file, busy) {
  return !busy && run.code !== null && file !== null && file.code !== run.code;
}

/** Ended by someone's wish, or about to: what is cut off then is nobody's fault. */
export function isCancelled(run) {
  return run.status === 'cancelled' || run.stopping;
}

/** What the server says of a run that was going when it stopped. */
const INTERRUPTED = 'the server stopped while this run was going';

export function interrupted(run) {
  return run.status === 'failed' && run.exit?.reason === INTERRUPTED;
}

/** An agent that ends with 3 says that it stopped early, not that it broke. */
export function stoppedEarly(run) {
  return run.status === 'error' && (run.exit?.stopped_early === true || run.exit?.returncode === 3);
}

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

export function statusText(run) {
  if (stoppedEarly(run)) return 'Stopped early';
  if (interrupted(run)) return 'Interrupted';
  const text = STATUS_TEXT[run.status] ?? run.status;
  if (run.status !== 'limit') return text;
  const name = limitName(run.lastLimit ?? run.exit?.reason);
  return name ? `${text}: ${name}` : text;
}

/** One of: quiet, active, good, caution, bad. */
export function statusTone(run) {
  if (isActive(run)) return 'active';
  if (run.status === 'success') return 'good';
  if (['idle', 'restoring', 'cancelled'].includes(run.status)) return 'quiet';
  if (stoppedEarly(run) || interrupted(run)) return 'caution';
  if (['timeout', 'limit', 'lost'].includes(run.status)) return 'caution';
  return 'bad';
}
