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
  return { id: run.id, providerLabel: typeof run.providerLabel === 'string' ? run.providerLabel : '' };
}

export function keepRun({ id, providerLabel }) {
  save(RUN_KEY, { id, providerLabel }, 'tab');
}

export function forgetRun() {
  forget(RUN_KEY, 'tab');
}

/** The fingerprint holds the form's values, so the page still knows whether the file is up to date. */
export function keptFile() {
  const file = load(FILE_KEY, 'tab');
  const texts = [file?.code, file?.filename, file?.fingerprint];
  if (!texts.every((text) => typeof text === 'string')) return null;
  const warnings = Array.isArray(file.warnings) ? file.warnings.filter((text) => typeof text === 'string') : [];
  return { code: file.code, filename: file.filename, warnings, fingerprint: file.fingerprint };
}

export function keepFile({ code, filename, warnings, fingerprint }) {
  save(FILE_KEY, { code, filename, warnings, fingerprint }, 'tab');
}
