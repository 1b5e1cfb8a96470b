import { forget, load, save } from './storage.js';

/**
 * What a reload brings back in this tab: the run on the page, by its id, and the generated file.
 * Other tabs have their own. Read field by field: the browser's storage can be edited by hand.
 */
const RUN_KEY = 'llm-agent-builder.run';
const FILE_KEY = 'llm-agent-builder.file';

export function keptRun() {
  const run = load(RUN_KEY, 'tab');
  if (typeof run?.id !== 'string' || run.id === '') return null;
  return { id: run.id, answerer: typeof run.answerer === 'string' ? run.answerer : '' };
}

export function keepRun({ id, answerer }) {
  save(RUN_KEY, { id, answerer }, 'tab');
}

export function forgetRun() {
  forget(RUN_KEY, 'tab');
}

function texts(value) {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}

/** Stretches of lines: `{first_line, last_line, kind}`. */
function stretches(value) {
  const whole = (part) => Number.isInteger(part?.first_line) && Number.isInteger(part?.last_line);
  return Array.isArray(value) ? value.filter(whole) : [];
}

/** The fingerprint holds the form's values, so the page still knows whether the file is up to date. */
export function keptFile() {
  const file = load(FILE_KEY, 'tab');
  const { code, filename, fingerprint } = file ?? {};
  if (![code, filename, fingerprint].every((text) => typeof text === 'string')) return null;
  return { code, filename, warnings: texts(file.warnings), kept: stretches(file.kept), fingerprint };
}

export function keepFile({ code, filename, warnings, kept, fingerprint }) {
  save(FILE_KEY, { code, filename, warnings, kept, fingerprint }, 'tab');
}
