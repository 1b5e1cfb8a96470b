import { forget, load, save } from './storage.js';

/** @import { Conflict } from '../api/types' */
/** @import { Lines } from '../code/CodeView.jsx' */
/** @typedef {{ id: string, answerer: string }} StoredRun */
/**
 * @typedef {object} PageFile the agent file on the page
 * @property {string} code
 * @property {string} filename
 * @property {string[]} warnings
 * @property {Lines[]} kept manual edits
 * @property {string | null} fingerprint of the form that it was generated from; null where that is not known
 * @property {string} [message]
 * @property {string} [diff] what changing the model did to it
 * @property {Conflict[]} [conflicts]
 */

/**
 * What a reload restores in this tab: the run on the page, by its id, and the generated file.
 * Other tabs have their own. Read field by field: users can edit the browser's storage.
 */
const RUN_KEY = 'llm-agent-builder.run';
const FILE_KEY = 'llm-agent-builder.file';

/** @returns {StoredRun | null} */
export function storedRun() {
  const run = load(RUN_KEY, 'tab');
  if (typeof run?.id !== 'string' || run.id === '') return null;
  return { id: run.id, answerer: typeof run.answerer === 'string' ? run.answerer : '' };
}

/** @param {StoredRun} run */
export function storeRun({ id, answerer }) {
  save(RUN_KEY, { id, answerer }, 'tab');
}

export function forgetRun() {
  forget(RUN_KEY, 'tab');
}

/**
 * @param {unknown} value
 * @returns {string[]}
 */
function texts(value) {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}

/**
 * @param {unknown} value
 * @returns {Lines[]}
 */
function linesOf(value) {
  return Array.isArray(value) ? value.filter((part) => Number.isInteger(part?.first_line) && Number.isInteger(part?.last_line)) : [];
}

/**
 * The fingerprint contains the form's values, so the page still knows whether the file is up to date.
 * @returns {PageFile | null}
 */
export function storedFile() {
  const file = load(FILE_KEY, 'tab');
  const { code, filename, fingerprint } = file ?? {};
  if (![code, filename, fingerprint].every((text) => typeof text === 'string')) return null;
  return { code, filename, warnings: texts(file.warnings), kept: linesOf(file.kept), fingerprint };
}

/** @param {PageFile} file */
export function storeFile({ code, filename, warnings, kept, fingerprint }) {
  save(FILE_KEY, { code, filename, warnings, kept, fingerprint }, 'tab');
}
