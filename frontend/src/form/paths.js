import { FIELDS } from './fields.js';

/** @typedef {Record<string, string>} Errors */

/** Errors by path, as the server names fields: `name`, `tools.0.code`, `mcp_servers.1.url`. Pure. */

/** @type {Record<string, string>} */
const SECTIONS = {
  tools: 'tools',
  answer: 'answer',
  base_url: 'options',
  max_tokens: 'options',
  thinking: 'options',
  effort: 'options',
  stop_sequences: 'options',
  cache_prompt: 'options',
  chat: 'conversation',
  usage: 'conversation',
  max_turns: 'conversation',
  token_budget: 'conversation',
  timeout_s: 'conversation',
  retries: 'conversation',
  mcp_servers: 'mcp',
};

/**
 * @param {string} path
 * @param {string} prefix
 */
const within = (path, prefix) => path === prefix || path.startsWith(`${prefix}.`);

/**
 * The message, or the line, at `path` or below it; undefined when there is none.
 * @template T
 * @param {Record<string, T>} errors
 * @param {string} path
 * @returns {T | undefined}
 */
export function errorAt(errors, path) {
  const found = Object.keys(errors).find((key) => within(key, path));
  return found === undefined ? undefined : errors[found];
}

/**
 * The errors that are not at one of these paths or below.
 * @param {Errors} errors
 * @param {string[]} paths
 * @returns {Errors}
 */
export function withoutErrors(errors, paths) {
  return Object.fromEntries(Object.entries(errors).filter(([key]) => !paths.some((path) => within(key, path))));
}

/**
 * Only the errors that a field of the form can show.
 * @param {Errors} errors
 * @returns {Errors}
 */
export function knownErrors(errors) {
  /** @type {readonly string[]} */
  const fields = FIELDS;
  return Object.fromEntries(Object.entries(errors).filter(([key]) => fields.includes(key.split('.')[0])));
}

/**
 * The sections with errors; fields that are always in view have none.
 * @param {Errors} errors
 */
export function sectionsWith(errors) {
  return new Set(Object.keys(errors).map((path) => SECTIONS[path.split('.')[0]]).filter(Boolean));
}

/**
 * The paths with errors, in the order of the form.
 * @param {Errors} errors
 */
export function inOrder(errors) {
  /** @type {readonly string[]} */
  const fields = FIELDS;
  const position = (/** @type {string} */ path) => {
    const [field, index = '0'] = path.split('.');
    return fields.indexOf(field) * 10_000 + Number(index || 0);
  };
  return Object.keys(errors).sort((a, b) => position(a) - position(b));
}

/**
 * The id of the element at a path.
 * @param {string} path
 */
export function fieldId(path) {
  return `field-${path.replaceAll('.', '-')}`;
}

/**
 * The elements that may take the focus for a path: its own, else that of the entry or field it belongs to.
 * @param {string} path
 */
export function candidates(path) {
  const parts = path.split('.');
  return parts.map((_, index) => fieldId(parts.slice(0, parts.length - index).join('.')));
}
