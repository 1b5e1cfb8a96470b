import { FIELDS, fromSpec, NUMBERS, starter, withoutKnownAddress } from '../form/fields.js';

/** @import { Catalog, GalleryTool } from '../api/types' */
/** @import { Values } from '../form/fields.js' */

/** Spec files, YAML or JSON, as `llm-agent-builder generate --spec` takes them. Pure. */

/** @type {(value: unknown) => value is string} */
const isText = (value) => typeof value === 'string';
/** @type {(value: unknown) => value is Record<string, unknown>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/** @param {unknown} value */
const isTexts = (value) => Array.isArray(value) && value.every(isText);

const SUFFIX = /\.(ya?ml|json)$/i;

/** @param {string} name */
export function isSpecName(name) {
  return SUFFIX.test(name);
}

/** @param {string} name */
export function isJsonName(name) {
  return /\.json$/i.test(name);
}

/**
 * What to do with a spec that the form can't load.
 * @param {string} name
 */
export function specProblem(name, why = '') {
  const advice = `Run “llm-agent-builder generate --spec ${name}” to write its agent file, then open that here.`;
  return { title: `${name} is a spec, not an agent file`, text: [why, advice].filter(Boolean).join(' ') };
}

/**
 * The source of a tool in any form that a spec allows; undefined when it is none.
 * @param {unknown} tool
 * @param {readonly GalleryTool[]} gallery
 */
function toolCode(tool, gallery) {
  if (isText(tool)) return tool;
  if (!isObject(tool) || Object.keys(tool).length !== 1) return undefined;
  const code = tool.code ?? gallery.find(({ id }) => id === tool.gallery)?.code;
  return isText(code) ? code : undefined;
}

/** @param {unknown} server */
function isServer(server) {
  if (!isObject(server)) return false;
  const { name, command = [], url = '', env = [], ...rest } = server;
  return isText(name) && isTexts(command) && isText(url) && isTexts(env) && Object.keys(rest).length === 0;
}

/** @type {Record<string, (value: unknown) => boolean>} */
const KINDS = {
  ...Object.fromEntries(NUMBERS.map((field) => [field, (/** @type {unknown} */ value) => typeof value === 'number'])),
  tools: isTexts,
  answer: (value) => isText(value) || isObject(value),
  stop_sequences: isTexts,
  mcp_servers: (value) => Array.isArray(value) && value.every(isServer),
};

/**
 * Whether the form has a field that can show the value; the server says at the field whether it is valid.
 * @param {string} name
 * @param {unknown} value
 */
function fits(name, value) {
  const field = FIELDS.find((known) => known === name);
  if (!field) return false;
  if (KINDS[field]) return KINDS[field](value);
  return typeof value === (starter[field] === null ? 'string' : typeof starter[field]);
}

/**
 * The form of a JSON spec: `{values, left}`, where `left` names the fields that the form can't show.
 * Or `{why}`, when it is no spec at all.
 * @param {string} text
 * @param {Catalog} catalog
 * @returns {{ values: Values, left: string[] } | { why: string }}
 */
export function readSpec(text, catalog) {
  let spec;
  try {
    spec = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    return { why: `Invalid JSON: ${error instanceof Error ? error.message : error}.` };
  }
  if (!isObject(spec)) return { why: 'Expected a JSON object with the fields of an agent.' };
  const given = { ...spec };
  delete given.$schema; // for editors only
  if (Array.isArray(given.tools)) given.tools = given.tools.map((tool) => toolCode(tool, catalog.tools));
  const offered = (/** @type {unknown} */ provider) => catalog.providers.some(({ id }) => id === provider);
  const isLoaded = (/** @type {[string, unknown]} */ [field, value]) =>
    value === null || (fits(field, value) && (field !== 'provider' || offered(value)));
  const loaded = Object.fromEntries(Object.entries(given).filter(isLoaded));
  const left = Object.keys(given).filter((field) => !Object.hasOwn(loaded, field));
  const values = fromSpec(loaded, catalog.defaults, { ...starter, name: '', prompt: '', task: '' });
  return { values: withoutKnownAddress(values, catalog), left };
}
