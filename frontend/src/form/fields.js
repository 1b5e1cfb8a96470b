import { joinCommand, splitCommand } from './commandLine.js';
import { decodeLines, encodeLines } from './stopLines.js';

/**
 * The form's values and the server's AgentSpec, both ways. Pure.
 *
 * Numbers are kept as they were typed: what isn't one reaches the server, which says so at its field.
 * Entries of lists carry a `key` of the page's own, so that a moved one keeps its state.
 */

/** A newcomer can press Test Agent at once. Provider and model come from the catalog. */
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
export const FIELDS = Object.keys(starter);

/** What the server takes for a field left empty: spec.py. */
export const DEFAULTS = { max_tokens: 4096, max_turns: 10, retries: 2 };

export const NUMBERS = ['max_tokens', 'max_turns', 'token_budget', 'timeout_s', 'retries'];
const TEXTS = FIELDS.filter((field) => typeof starter[field] === 'string' || starter[field] === null);
const FLAGS = FIELDS.filter((field) => typeof starter[field] === 'boolean');

let lastKey = 0;

export function newKey() {
  lastKey += 1;
  return lastKey;
}

const isText = (value) => typeof value === 'string';

export function newTool(code = '') {
  return { key: newKey(), code };
}

export function newServer({ name = '', kind = 'command', command = '', url = '', env = '' } = {}) {
  return { key: newKey(), name, kind, command, url, env };
}

function restoreTools(tools) {
  return Array.isArray(tools) ? tools.filter((tool) => isText(tool?.code)).map(({ code }) => newTool(code)) : [];
}

function restoreServer({ name, kind, command, url, env }) {
  const text = (value) => (isText(value) ? value : '');
  return newServer({ name: text(name), kind: kind === 'url' ? 'url' : 'command', command: text(command), url: text(url), env: text(env) });
}

function restoreServers(servers) {
  return Array.isArray(servers) ? servers.filter((server) => server && typeof server === 'object').map(restoreServer) : [];
}

/** Field by field, so that a draft of another version or one edited by hand can't break the page. */
export function restoreDraft(draft) {
  const values = { ...starter };
  for (const field of TEXTS) if (isText(draft?.[field])) values[field] = draft[field];
  for (const field of FLAGS) if (typeof draft?.[field] === 'boolean') values[field] = draft[field];
  return { ...values, tools: restoreTools(draft?.tools), mcp_servers: restoreServers(draft?.mcp_servers) };
}

/** The provider whose SDK speaks the protocol that servers of one's own have: spec.py. */
export const OWN_SERVER_PROVIDER = 'huggingface';

/** Whether the model is one at a server of the user's own, of which the catalog knows nothing. */
export function atOwnServer({ provider, base_url: address }) {
  return provider === OWN_SERVER_PROVIDER && address.trim() !== '';
}

/** A model that the catalog has at its address needs none: the server puts that in by itself. */
export function withoutKnownAddress(values, catalog) {
  const provider = catalog.providers.find(({ id }) => id === values.provider);
  const known = provider?.models.some(({ id, base_url: address }) => id === values.model && address === values.base_url);
  return known ? { ...values, base_url: '' } : values;
}

/** Fills in the provider and model that are missing, or that this server doesn't offer. */
export function withCatalog(values, catalog) {
  if (!catalog || (atOwnServer(values) && values.model !== null)) return values;
  const provider = catalog.providers.find(({ id }) => id === values.provider) ?? catalog.providers[0];
  if (!provider) return values;
  const offered = provider.models.some(({ id }) => id === values.model);
  return { ...values, provider: provider.id, model: offered ? values.model : provider.default_model };
}

/** Two forms that would give the same file have the same fingerprint. */
export function fingerprint(values) {
  return JSON.stringify(toSpec(values));
}

function toNumber(text) {
  const trimmed = text.trim().replaceAll(',', '');
  return trimmed !== '' && Number.isFinite(Number(trimmed)) ? Number(trimmed) : text;
}

/** A JSON Schema goes as the object it is; anything else is Python, or for the server to judge. */
function toAnswer(text) {
  if (!text.trimStart().startsWith('{')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function toServer({ name, kind, command, url, env }) {
  if (kind === 'url') return { name, url: url.trim() };
  const variables = env.split(/[\s,]+/).filter(Boolean);
  return { name, command: splitCommand(command), ...(variables.length > 0 && { env: variables }) };
}

const CONVERSIONS = {
  ...Object.fromEntries(NUMBERS.map((field) => [field, toNumber])),
  tools: (tools) => tools.map(({ code }) => ({ code })),
  answer: toAnswer,
  base_url: (address) => address.trim(),
  stop_sequences: decodeLines,
  mcp_servers: (servers) => servers.map(toServer),
};

const PLAIN = new Set(['name', 'prompt', 'task', 'provider', 'model', 'stream']);

/** Whether a task may take several model calls; only then the server takes bounds of them. */
export function takesTurns({ tools, mcp_servers: servers }) {
  return tools.length > 0 || servers.length > 0;
}

const OF_TURNS = new Set(['max_turns', 'token_budget']);

function isEmpty(value) {
  return value === false || value === null || (isText(value) && value.trim() === '') || (Array.isArray(value) && value.length === 0);
}

/** What the server takes. A field left as it starts is left out: the server's default then holds. */
export function toSpec(values) {
  const spec = {};
  for (const field of FIELDS) {
    if (OF_TURNS.has(field) && !takesTurns(values)) continue;
    if (PLAIN.has(field)) spec[field] = values[field];
    else if (!isEmpty(values[field])) spec[field] = (CONVERSIONS[field] ?? ((value) => value))(values[field]);
  }
  return spec;
}

function fromServer({ name, command, url, env }) {
  if (url) return newServer({ name, kind: 'url', url });
  return newServer({ name, command: joinCommand(command ?? []), env: (env ?? []).join(', ') });
}

const READERS = {
  ...Object.fromEntries(NUMBERS.map((field) => [field, (value) => (value === DEFAULTS[field] ? '' : String(value))])),
  tools: (tools) => tools.map((tool) => newTool(isText(tool) ? tool : tool.code)),
  answer: (answer) => (isText(answer) ? answer : JSON.stringify(answer, null, 2)),
  stop_sequences: encodeLines,
  mcp_servers: (servers) => servers.map(fromServer),
};

/** The form that a spec, also a partial one, describes; what it doesn't say stays as in `values`. */
export function fromSpec(spec, values = starter) {
  const read = { ...values };
  for (const field of FIELDS) {
    const value = spec[field];
    if (value === undefined || value === null) continue;
    read[field] = (READERS[field] ?? ((same) => same))(value);
  }
  return read;
}
