import { joinCommand, splitCommand } from './commandLine.js';
import { decodeLines, encodeLines } from './stopLines.js';

/** @import { Catalog } from '../api/types' */
/** @typedef {{ key: number, code: string }} Tool */
/** @typedef {{ key: number, name: string, kind: 'command' | 'url', command: string, url: string, env: string }} McpServer */
/**
 * @typedef {object} Values the form's values as typed
 * @property {string} name
 * @property {string} prompt
 * @property {string} task
 * @property {string | null} provider
 * @property {string | null} model
 * @property {boolean} stream
 * @property {Tool[]} tools
 * @property {string} answer
 * @property {string} base_url
 * @property {string} max_tokens
 * @property {string} thinking
 * @property {string} effort
 * @property {string} stop_sequences
 * @property {boolean} cache_prompt
 * @property {boolean} chat
 * @property {boolean} usage
 * @property {string} max_turns
 * @property {string} token_budget
 * @property {string} timeout_s
 * @property {string} retries
 * @property {McpServer[]} mcp_servers
 */
/** @typedef {keyof Values} Field */

/**
 * The form's values and the server's AgentSpec, both ways. Pure.
 *
 * Numbers stay as typed: the server says at the field that one isn't a number. An answer's JSON Schema is sent as
 * text: JavaScript would round its large integers, write 1.0 as 1, and move names such as "1" to the front. Entries of lists carry
 * a `key` of the page's own, so that a moved entry keeps its state.
 */

/**
 * A newcomer can press Test Agent at once. Provider and model come from the catalog.
 * @type {Values}
 */
export const starter = {
  name: 'Geographer',
  prompt: 'You are a helpful assistant.',
  task: 'What is the capital of France?',
  provider: null,
  model: null,
  stream: false,
  tools: [],
  answer: '',
  base_url: '',
  max_tokens: '',
  thinking: '',
  effort: '',
  stop_sequences: '',
  cache_prompt: false,
  chat: false,
  usage: false,
  max_turns: '',
  token_budget: '',
  timeout_s: '',
  retries: '',
  mcp_servers: [],
};

/** In the order of the form: the first field with an error gets the focus. */
export const FIELDS = /** @type {Field[]} */ (Object.keys(starter));

const NUMBERS = /** @type {const} */ (['max_tokens', 'max_turns', 'token_budget', 'timeout_s', 'retries']);
const TEXTS = FIELDS.filter((field) => typeof starter[field] === 'string' || starter[field] === null);
const FLAGS = FIELDS.filter((field) => typeof starter[field] === 'boolean');

let lastKey = 0;

export function newKey() {
  lastKey += 1;
  return lastKey;
}

/** @type {(value: unknown) => value is string} */
const isText = (value) => typeof value === 'string';

export function newTool(code = '') {
  return { key: newKey(), code };
}

/**
 * @param {Partial<McpServer>} [server]
 * @returns {McpServer}
 */
export function newServer({ name = '', kind = 'command', command = '', url = '', env = '' } = {}) {
  return { key: newKey(), name, kind, command, url, env };
}

/** @param {any} tools */
function restoreTools(tools) {
  return Array.isArray(tools) ? tools.filter((tool) => isText(tool?.code)).map(({ code }) => newTool(code)) : [];
}

/** @param {Record<string, unknown>} server */
function restoreServer({ name, kind, command, url, env }) {
  const text = (/** @type {unknown} */ value) => (isText(value) ? value : '');
  return newServer({ name: text(name), kind: kind === 'url' ? 'url' : 'command', command: text(command), url: text(url), env: text(env) });
}

/** @param {any} servers */
function restoreServers(servers) {
  return Array.isArray(servers) ? servers.filter((server) => server && typeof server === 'object').map(restoreServer) : [];
}

/**
 * Field by field, so that a draft of another version or one edited by hand can't break the page.
 * @param {any} draft
 * @returns {Values}
 */
export function restoreDraft(draft) {
  /** @type {Record<string, unknown>} */
  const plain = {};
  for (const field of TEXTS) if (isText(draft?.[field])) plain[field] = draft[field];
  for (const field of FLAGS) if (typeof draft?.[field] === 'boolean') plain[field] = draft[field];
  return { ...starter, ...plain, tools: restoreTools(draft?.tools), mcp_servers: restoreServers(draft?.mcp_servers) };
}

/**
 * Whether the model is served at an address that the user typed: the catalog doesn't list it.
 * @param {Values} values
 */
export function atOwnServer({ base_url: address }) {
  return address.trim() !== '';
}

/**
 * Clears the address of a model that the catalog lists with it: the server adds it by itself.
 * @param {Values} values
 * @param {Catalog} catalog
 */
export function withoutKnownAddress(values, catalog) {
  const provider = catalog.providers.find(({ id }) => id === values.provider);
  const known = provider?.models.some(({ id, base_url: address }) => id === values.model && address === values.base_url);
  return known ? { ...values, base_url: '' } : values;
}

/**
 * Fills in the provider and model that are missing, or that this server doesn't offer; clears an address that
 * the provider's agents can't have.
 * @param {Values} values
 * @param {Catalog | null} catalog
 */
export function withCatalog(values, catalog) {
  const provider = catalog?.providers.find(({ id }) => id === values.provider) ?? catalog?.providers[0];
  if (!provider) return values;
  const base_url = provider.takes_base_url ? values.base_url : '';
  const offered = base_url.trim() ? values.model !== null : provider.models.some(({ id }) => id === values.model);
  return { ...values, base_url, provider: provider.id, model: offered ? values.model : provider.default_model };
}

/**
 * Two forms that would give the same file have the same fingerprint.
 * @param {Values} values
 */
export function fingerprint(values) {
  return JSON.stringify(toSpec(values));
}

/** @param {string} text */
function toNumber(text) {
  const trimmed = text.trim().replaceAll(',', '');
  return trimmed !== '' && Number.isFinite(Number(trimmed)) ? Number(trimmed) : text;
}

/** @param {McpServer} server */
function toServer({ name, kind, command, url, env }) {
  if (kind === 'url') return { name, url: url.trim() };
  const variables = env.split(/[\s,]+/).filter(Boolean);
  return { name, command: splitCommand(command), ...(variables.length > 0 && { env: variables }) };
}

/** @type {Record<string, (value: any) => unknown>} */
const CONVERSIONS = {
  ...Object.fromEntries(NUMBERS.map((field) => [field, toNumber])),
  tools: (/** @type {Tool[]} */ tools) => tools.map(({ code }) => ({ code })),
  base_url: (/** @type {string} */ address) => address.trim(),
  stop_sequences: decodeLines,
  mcp_servers: (/** @type {McpServer[]} */ servers) => servers.map(toServer),
};

const REQUIRED = new Set(['name', 'prompt', 'task', 'provider', 'model', 'stream']);

/**
 * Whether the form shows the limits of a task's model calls: without tools a task is one call.
 * @param {Pick<Values, 'tools' | 'mcp_servers'>} values
 */
export function takesTurns({ tools, mcp_servers: servers }) {
  return tools.length > 0 || servers.length > 0;
}

const OF_TURNS = new Set(['max_turns', 'token_budget']);

/** @param {unknown} value */
function isEmpty(value) {
  return value === false || value === null || (isText(value) && value.trim() === '') || (Array.isArray(value) && value.length === 0);
}

/**
 * The body for the server. An empty field is left out, so that the server's default applies; so is a field
 * that the form doesn't show.
 * @param {Values} values
 */
export function toSpec(values) {
  /** @type {Record<string, unknown>} */
  const spec = {};
  for (const field of FIELDS) {
    if (OF_TURNS.has(field) && !takesTurns(values)) continue;
    if (REQUIRED.has(field)) spec[field] = values[field];
    else if (!isEmpty(values[field])) spec[field] = CONVERSIONS[field]?.(values[field]) ?? values[field];
  }
  return spec;
}

/** @param {any} server */
function fromServer({ name, command, url, env }) {
  if (url) return newServer({ name, kind: 'url', url });
  return newServer({ name, command: joinCommand(command ?? []), env: (env ?? []).join(', ') });
}

/** @type {Record<string, (value: any) => unknown>} */
const READERS = {
  ...Object.fromEntries(NUMBERS.map((field) => [field, String])),
  tools: (/** @type {any[]} */ tools) => tools.map((tool) => newTool(isText(tool) ? tool : tool.code)),
  answer: (answer) => (isText(answer) ? answer : JSON.stringify(answer, null, 2)),
  stop_sequences: encodeLines,
  mcp_servers: (/** @type {any[]} */ servers) => servers.map(fromServer),
};

/**
 * The form that a spec, also a partial one, describes. A field that the spec leaves out stays as in `values`;
 * one that has its default, by `defaults`, stays empty.
 * @param {Record<string, unknown>} spec
 * @param {Catalog['defaults']} defaults
 * @param {Values} [values]
 * @returns {Values}
 */
export function fromSpec(spec, defaults, values = starter) {
  /** @type {Record<string, unknown>} */
  const read = {};
  for (const field of FIELDS) {
    const value = spec[field];
    if (value === undefined || value === null || (field in defaults && value === defaults[/** @type {keyof typeof defaults} */ (field)])) continue;
    read[field] = READERS[field]?.(value) ?? value;
  }
  return { ...values, ...read };
}
