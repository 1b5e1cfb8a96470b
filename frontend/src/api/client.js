import { capitalized } from '../lib/format.js';

/**
 * Every request the page makes. Failures are one type, ApiError, whatever their cause:
 *
 *   code        the server's own code, or `offline`, `aborted`
 *   status      the HTTP status, 0 when there was no answer
 *   fields      for a 422: {path: message}, with paths such as `tools.0.code`
 *   retryAfter  seconds, when the server said so
 *   conflicts   for a 409 of generate: hand-written parts that a changed field meets
 */
export class ApiError extends Error {
  constructor(message, { code = 'unknown', status = 0, fields = {}, retryAfter = null, conflicts = [] } = {}) {
    super(message);
    this.name = 'ApiError';
    Object.assign(this, { code, status, fields, retryAfter, conflicts });
  }
}

// What a proxy answers when the server behind it is gone.
const GATEWAY_STATUSES = new Set([502, 504]);

let askForToken = null;

/** `ask()` shows the token dialog; it resolves to true once a session is open, false if dismissed. */
export function onTokenRequired(ask) {
  askForToken = ask;
}

function readableMessage(text) {
  if (/at least 1 character|^Field required|^missing$/.test(text)) return 'Fill this in.';
  if (/^should be a whole number$/.test(text)) return 'Give a whole number.';
  if (/^should be a number$/.test(text)) return 'Give a number.';
  const message = String(text).replace(/^(Value|Assertion) error, /, '');
  return capitalized(message);
}

/** Turns FastAPI's list of `{loc, msg}` into one message per path; the first one wins. */
export function fieldMessages(detail) {
  const fields = {};
  if (!Array.isArray(detail)) return fields;
  for (const { loc = [], msg } of detail) {
    const path = loc[0] === 'body' ? loc.slice(1) : loc;
    const field = path.length > 0 ? path.join('.') : 'body';
    fields[field] ??= readableMessage(msg);
  }
  return fields;
}

async function readError(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Not JSON: something other than the server answered. The status still says what happened.
  }
  const { status } = response;
  const detail = body?.detail;
  const fields = fieldMessages(detail);
  const offline = GATEWAY_STATUSES.has(status) && (!body?.code || body.code === 'offline');
  const retryAfter = Number.parseFloat(response.headers.get('Retry-After') ?? '');
  return new ApiError(typeof detail === 'string' ? detail : Object.values(fields).join(' '), {
    code: offline ? 'offline' : (body?.code ?? 'unknown'),
    status,
    fields,
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : null,
    conflicts: Array.isArray(body?.conflicts) ? body.conflicts : [],
  });
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw new ApiError('', { code: 'aborted' });
    throw new ApiError("Can't reach the server.", { code: 'offline' });
  }
  if (!response.ok) throw await readError(response);
  return response;
}

async function request(path, { quiet = false, ...options } = {}) {
  try {
    return await send(path, options);
  } catch (error) {
    if (error.code !== 'token_required' || !askForToken || quiet) throw error;
    if (!(await askForToken())) throw error;
    return send(path, options);
  }
}

function withJson(method, body, signal) {
  return { method, signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

async function json(responsePromise) {
  const response = await responsePromise;
  try {
    return await response.json();
  } catch {
    throw new ApiError('The server sent an answer this page can’t read.', {
      code: 'bad_answer',
      status: response.status,
    });
  }
}

/** `quiet`: nobody asked for it, so it doesn't ask for the token either. */
export function getCatalog(signal, { quiet = false } = {}) {
  return json(request('/api/catalog', { signal, quiet }));
}

/** `base`: the text of a file edited by hand, whose own parts are to be kept. */
export function generate(spec, base = null) {
  return json(request('/api/generate', withJson('POST', base === null ? spec : { ...spec, base })));
}

/** Reads an agent file back: `{spec, exact, edits, warnings}`; 422 `not_ours` when it is another program. */
export function readAgent(code) {
  return json(request('/api/read', withJson('POST', { code })));
}

/** Takes over what can be carried from OpenAI's Agents SDK: `{spec, report, agents}`. */
export function importAgent({ code, provider, agent }) {
  return json(request('/api/import', withJson('POST', { code, provider, agent })));
}

/** The models to move to, each with the changed code and the diff: `{lifecycle, successors}`. */
export function findUpgrades(code) {
  return json(request('/api/upgrade', withJson('POST', { code })));
}

/** `egress`: the hosts, as HOST:PORT, that this run may reach. */
export function createRun({ code, task, backend, files, egress }) {
  return json(request('/api/runs', withJson('POST', { code, task, backend, files, egress })));
}

/** Where a file that a run left is downloaded. */
export function runFileUrl(id, name) {
  return `/api/runs/${encodeURIComponent(id)}/files/${name.split('/').map(encodeURIComponent).join('/')}`;
}

export function getRun(id, signal) {
  return json(request(`/api/runs/${encodeURIComponent(id)}`, { signal }));
}

export function cancelRun(id) {
  return request(`/api/runs/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/** Opens the event stream of a run, after the event `lastEventId` if given. Returns its body. */
export async function openEvents(id, lastEventId, signal) {
  const headers = { Accept: 'text/event-stream' };
  if (lastEventId != null) headers['Last-Event-ID'] = String(lastEventId);
  const response = await request(`/api/runs/${encodeURIComponent(id)}/events`, { headers, signal });
  return response.body;
}

/** Exchanges the access token for a session cookie that scripts can't read. */
export function openSession(token) {
  return send('/api/session', withJson('POST', { token }));
}
