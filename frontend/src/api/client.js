import { capitalized } from '../lib/format.js';

/** @import { Catalog, Conflict, GenerateRequest, GenerateResponse, ImportResponse, InspectRequest, InspectResponse, Problem, ReadResponse, RunAccepted, RunResponse, SpecFileResponse, UpgradeResponse } from './types' */

/**
 * @typedef {object} ErrorFacts
 * @property {string} [code] the server's own code, or `offline`, `aborted`, `bad_answer`
 * @property {number} [status] the HTTP status, 0 when there was no answer
 * @property {Record<string, string>} [fields] for a 422: messages by path, such as `tools.0.code`
 * @property {Record<string, number>} [lines] for a 422: the line of the source that a message is about, by path
 * @property {number | null} [retryAfter] seconds, when the server said so
 * @property {Conflict[]} [conflicts] for a 409 of generate: manual edits that a changed field conflicts with
 * @property {boolean} [importable] for `not_ours`: whether `importAgent` can read the file
 */

/** The one type of failure of every request. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {ErrorFacts} [facts]
   */
  constructor(message, { code = 'unknown', status = 0, fields = {}, lines = {}, retryAfter = null, conflicts = [], importable = false } = {}) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.status = status;
    this.fields = fields;
    this.lines = lines;
    this.retryAfter = retryAfter;
    this.conflicts = conflicts;
    this.importable = importable;
  }
}

/**
 * Returns a failure as an ApiError: one of another kind is a bug of the page, with the code `unknown`.
 * @param {unknown} error
 */
export function asApiError(error) {
  return error instanceof ApiError ? error : new ApiError(error instanceof Error ? error.message : String(error));
}

// A proxy answers with these when it can't reach the server.
const GATEWAY_STATUSES = new Set([502, 504]);

/** @type {(() => Promise<boolean>) | null} */
let askForToken = null;

/**
 * `ask` shows the token dialog; it resolves to true once a session is open, to false if dismissed.
 * @param {(() => Promise<boolean>) | null} ask
 */
export function onTokenRequired(ask) {
  askForToken = ask;
}

/** What to do about a value, by the type of its problem; others have a message of the server's. */
const ADVICE = new Map([
  ...['missing', 'blank', 'string_too_short'].map((type) => /** @type {const} */ ([type, 'Fill this in.'])),
  ...['int_type', 'int_parsing', 'int_from_float'].map((type) => /** @type {const} */ ([type, 'Enter a whole number.'])),
  ...['float_type', 'float_parsing'].map((type) => /** @type {const} */ ([type, 'Enter a number.'])),
]);

/**
 * Returns the messages and lines of a 422 by path; the first message of a path wins.
 * @param {unknown} detail
 */
export function fieldMessages(detail) {
  /** @type {Record<string, string>} */
  const fields = {};
  /** @type {Record<string, number>} */
  const lines = {};
  if (!Array.isArray(detail)) return { fields, lines };
  for (const { loc = [], msg, type, line } of /** @type {Problem[]} */ (detail)) {
    const path = (loc[0] === 'body' ? loc.slice(1) : loc).join('.') || 'body';
    if (path in fields) continue;
    fields[path] = ADVICE.get(type) ?? capitalized(msg);
    if (typeof line === 'number') lines[path] = line;
  }
  return { fields, lines };
}

/** @param {Response} response */
async function readError(response) {
  /** @type {any} */
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Not JSON: something other than the server answered. The status still says what happened.
  }
  const { status } = response;
  const { detail, code, conflicts, importable } = body ?? {};
  const { fields, lines } = fieldMessages(detail);
  const offline = GATEWAY_STATUSES.has(status) && (!code || code === 'offline');
  const retryAfter = Number.parseFloat(response.headers.get('Retry-After') ?? '');
  return new ApiError(typeof detail === 'string' ? detail : Object.values(fields).join(' '), {
    code: offline ? 'offline' : (code ?? 'unknown'),
    status,
    fields,
    lines,
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : null,
    conflicts: Array.isArray(conflicts) ? conflicts : [],
    importable: importable === true,
  });
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...options });
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw new ApiError('', { code: 'aborted' });
    throw new ApiError('Can’t reach the server.', { code: 'offline' });
  }
  if (!response.ok) throw await readError(response);
  return response;
}

/**
 * @param {string} path
 * @param {RequestInit & { quiet?: boolean }} [options] `quiet`: does not ask for the token
 */
async function request(path, { quiet = false, ...options } = {}) {
  try {
    return await send(path, options);
  } catch (error) {
    if (asApiError(error).code !== 'token_required' || !askForToken || quiet) throw error;
    if (!(await askForToken())) throw error;
    return send(path, options);
  }
}

/**
 * @param {unknown} body
 * @param {RequestInit & { quiet?: boolean }} [options]
 */
function post(body, options = {}) {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), ...options };
}

/** @param {Promise<Response>} responsePromise */
async function json(responsePromise) {
  const response = await responsePromise;
  try {
    return await response.json();
  } catch {
    throw new ApiError('The server sent an answer this page can’t read.', { code: 'bad_answer', status: response.status });
  }
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<Catalog>}
 */
export function getCatalog(signal, { quiet = false } = {}) {
  return json(request('/api/catalog', { signal, quiet }));
}

/**
 * `base`: the text of an agent file whose manual edits are kept.
 * @param {Record<string, unknown>} spec fields of an agent as typed: the server says what is wrong with them
 * @param {string | null} [base]
 * @returns {Promise<GenerateResponse>}
 */
export function generate(spec, base = null) {
  return json(request('/api/generate', post(base === null ? spec : { ...spec, base })));
}

/**
 * Reads what the form's notes say from the form as typed so far.
 * @param {InspectRequest} draft
 * @param {AbortSignal} signal
 * @returns {Promise<InspectResponse>}
 */
export function inspect(draft, signal) {
  return json(request('/api/inspect', post(draft, { signal, quiet: true })));
}

/**
 * Reads an agent file back into a spec, or a spec file into its fields: the name says which of the two it is.
 * Throws 422 `not_ours` for any other program, and `invalid_request` at `code` for a text that is no spec.
 * @param {string} code
 * @param {string} filename
 * @returns {Promise<ReadResponse | SpecFileResponse>}
 */
export function readFile(code, filename) {
  return json(request('/api/read', post({ code, filename })));
}

/**
 * Converts an agent of OpenAI's Agents SDK as far as possible.
 * @param {{ code: string, provider: string | null, agent?: string }} program
 * @returns {Promise<ImportResponse>}
 */
export function importAgent({ code, provider, agent }) {
  return json(request('/api/import', post({ code, provider, agent })));
}

/**
 * The models to move to, each with the changed code and the diff.
 * @param {string} code
 * @returns {Promise<UpgradeResponse>}
 */
export function findUpgrades(code) {
  return json(request('/api/upgrade', post({ code })));
}

/**
 * @typedef {object} Program
 * @property {string} code
 * @property {string} task
 * @property {string} backend
 * @property {{ name: string, base64: string }[]} files
 * @property {string[]} egress the hosts, as HOST:PORT, that this run may reach
 */

/**
 * @param {Program} program
 * @returns {Promise<RunAccepted>}
 */
export function createRun({ code, task, backend, files, egress }) {
  return json(request('/api/runs', post({ code, task, backend, files, egress })));
}

/**
 * The address at which a file that a run wrote is downloaded.
 * @param {string} id
 * @param {string} name
 */
export function runFileUrl(id, name) {
  return `/api/runs/${encodeURIComponent(id)}/files/${name.split('/').map(encodeURIComponent).join('/')}`;
}

/**
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<RunResponse>}
 */
export function getRun(id, signal) {
  return json(request(`/api/runs/${encodeURIComponent(id)}`, { signal }));
}

/** @param {string} id */
export function cancelRun(id) {
  return request(`/api/runs/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/**
 * Opens the event stream of a run, after the event `lastEventId` if given. Returns its body.
 * @param {string} id
 * @param {number | null} lastEventId
 * @param {AbortSignal} signal
 */
export async function openEvents(id, lastEventId, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'text/event-stream' };
  if (lastEventId != null) headers['Last-Event-ID'] = String(lastEventId);
  const { body } = await request(`/api/runs/${encodeURIComponent(id)}/events`, { headers, signal });
  if (!body) throw new ApiError('The server sent no events.', { code: 'bad_answer' });
  return body;
}

/**
 * Exchanges the access token for a session cookie that scripts can't read.
 * @param {string} token
 */
export function openSession(token) {
  return send('/api/session', post({ token }));
}
