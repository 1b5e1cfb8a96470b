import { FIELDS } from './fields.js';

/** Errors by path, as the server names fields: `name`, `tools.0.code`, `mcp_servers.1.url`. Pure. */

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

const within = (path, prefix) => path === prefix || path.startsWith(`${prefix}.`);

/** The message at `path` or below it; undefined when there is none. */
export function errorAt(errors, path) {
  const found = Object.keys(errors).find((key) => within(key, path));
  return found === undefined ? undefined : errors[found];
}

/** The errors that are not at one of these paths or below. */
export function withoutErrors(errors, paths) {
  return Object.fromEntries(Object.entries(errors).filter(([key]) => !paths.some((path) => within(key, path))));
}

/** Only the errors that a field of the form can show. */
export function knownErrors(errors) {
  return Object.fromEntries(Object.entries(errors).filter(([key]) => FIELDS.includes(key.split('.')[0])));
}

/** The section that holds a path; undefined for what is always in view. */
export function sectionOf(path) {
  return SECTIONS[path.split('.')[0]];
}

/** The sections with errors. */
export function sectionsWith(errors) {
  return new Set(Object.keys(errors).map(sectionOf).filter(Boolean));
}

/** The paths with errors, in the order of the form. */
export function inOrder(errors) {
  const place = (path) => {
    const [field, index = '0'] = path.split('.');
    return FIELDS.indexOf(field) * 10_000 + Number(index || 0);
  };
  return Object.keys(errors).sort((a, b) => place(a) - place(b));
}

/** The id of the element at a path. */
export function fieldId(path) {
  return `field-${path.replaceAll('.', '-')}`;
}

/** Where the focus goes for a path: its own element, else that of what it is a part of. */
export function candidates(path) {
  const parts = path.split('.');
  return parts.map((_, index) => fieldId(parts.slice(0, parts.length - index).join('.')));
}
