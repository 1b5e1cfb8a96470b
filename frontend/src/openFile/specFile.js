import { FIELDS, fromSpec, NUMBERS, starter, withoutKnownAddress } from '../form/fields.js';

/** Spec files, YAML or JSON, as `llm-agent-builder generate --spec` takes them. Pure. */

const isText = (value) => typeof value === 'string';
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isTexts = (value) => Array.isArray(value) && value.every(isText);
const hasOnly = (value, keys) => Object.keys(value).every((key) => keys.includes(key));

const SUFFIX = /\.(ya?ml|json)$/i;

export function isSpecName(name) {
  return SUFFIX.test(name);
}

export function isJsonName(name) {
  return /\.json$/i.test(name);
}

/** What to do with a spec that the form can't take: `{title, text}`. */
export function specProblem(name, why = '') {
  const advice = `On a command line, “llm-agent-builder generate --spec ${name}” writes its agent file, which can be opened here.`;
  return { title: `${name} is a spec, not an agent file`, text: [why, advice].filter(Boolean).join(' ') };
}

/** The source of a tool in any of a spec's ways to name it; undefined when it is none. */
function toolCode(tool, gallery) {
  if (isText(tool)) return tool;
  if (!isObject(tool) || Object.keys(tool).length !== 1) return undefined;
  const code = tool.code ?? gallery.find(({ id }) => id === tool.gallery)?.code;
  return isText(code) ? code : undefined;
}

function isServer(server) {
  const { name, command = [], url = '', env = [] } = isObject(server) ? server : {};
  return isText(name) && isTexts(command) && isText(url) && isTexts(env) && hasOnly(server, ['name', 'command', 'url', 'env']);
}

const KINDS = {
  ...Object.fromEntries(NUMBERS.map((field) => [field, (value) => typeof value === 'number'])),
  tools: isTexts,
  answer: (value) => isText(value) || isObject(value),
  stop_sequences: isTexts,
  mcp_servers: (value) => Array.isArray(value) && value.every(isServer),
};

/** Whether the form can hold it; whether it makes sense the server says, at the field. */
function fits(field, value) {
  if (!FIELDS.includes(field)) return false;
  if (KINDS[field]) return KINDS[field](value);
  return typeof value === (starter[field] === null ? 'string' : typeof starter[field]);
}

function parse(text) {
  try {
    return { spec: JSON.parse(text.replace(/^\uFEFF/, '')) };
  } catch (error) {
    return { why: `It can’t be read: ${error.message}.` };
  }
}

/**
 * The form of a JSON spec: `{values, left}`, where `left` names the fields that the form could not take.
 * Or `{why}`, when it is no spec at all.
 */
export function readSpec(text, catalog) {
  const { spec, why } = parse(text);
  if (why) return { why };
  if (!isObject(spec)) return { why: 'It should be an object of an agent’s fields.' };
  const given = { ...spec };
  delete given.$schema; // for editors alone
  if (Array.isArray(given.tools)) given.tools = given.tools.map((tool) => toolCode(tool, catalog.tools ?? []));
  const offered = (provider) => catalog.providers.some(({ id }) => id === provider);
  const isTaken = ([field, value]) => value === null || (fits(field, value) && (field !== 'provider' || offered(value)));
  const taken = Object.fromEntries(Object.entries(given).filter(isTaken));
  const left = Object.keys(given).filter((field) => !Object.hasOwn(taken, field));
  const values = fromSpec(taken, { ...starter, name: '', prompt: '', task: '' });
  return { values: withoutKnownAddress(values, catalog), left };
}
