import { count } from '../lib/format.js';

/** @import { FileLimits } from '../api/types' */
/** @typedef {{ name: string, size: number, base64: string }} GivenFile */
/** @typedef {GivenFile | { name: string, size: number, unreadable?: true }} ChosenFile one that is too large is not read */

/** The files attached to a run, in the order they were added. Pure. */

/** @type {GivenFile[]} */
export const noFiles = [];

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB'];

/**
 * 1 -> "1 byte", 2048 -> "2 KiB", 1500000 -> "1.4 MiB".
 * @param {number} bytes
 */
export function sizeText(bytes) {
  if (bytes === 1) return '1 byte';
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 10 ? count(Math.round(value)) : Number(value.toFixed(1))} ${UNITS[unit]}`;
}

/** @param {{ size: number }[]} files */
export function totalSize(files) {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/**
 * "2 of 64 files, 1.4 MiB of 4 MiB"
 * @param {{ size: number }[]} files
 * @param {FileLimits} limits
 */
export function usageText(files, limits) {
  return `${files.length} of ${limits.max_count} files, ${sizeText(totalSize(files))} of ${sizeText(limits.max_bytes)}`;
}

/**
 * Adds the chosen files, as far as the server would accept them; a file of the same name is replaced.
 * Returns `{files, problem}`, where the problem names the files that were not added and why, or is null.
 * @param {GivenFile[]} files
 * @param {ChosenFile[]} chosen
 * @param {FileLimits} limits
 */
export function addFiles(files, chosen, limits) {
  let added = files;
  const refused = [];
  for (const file of chosen) {
    const others = added.filter(({ name }) => name !== file.name);
    const reason = refusal(others, file, limits);
    if (reason) refused.push(`${file.name} ${reason}`);
    else if ('base64' in file) added = added.length === others.length ? [...added, file] : added.map((old) => (old.name === file.name ? file : old));
  }
  return { files: added, problem: refused.length > 0 ? `Not added: ${listed(refused)}.` : null };
}

/**
 * @param {GivenFile[]} others
 * @param {ChosenFile} file
 * @param {FileLimits} limits
 */
function refusal(others, file, limits) {
  if ('unreadable' in file) return 'can’t be read (a folder can’t be added)';
  if (limits.reserved_names.includes(file.name)) return 'is a reserved name';
  if (others.length >= limits.max_count) return `exceeds the limit of ${limits.max_count} files`;
  if (totalSize(others) + file.size > limits.max_bytes) return `exceeds the limit of ${sizeText(limits.max_bytes)} in total`;
  return null;
}

const LISTED = 3;

/** @param {string[]} problems */
function listed(problems) {
  const more = problems.length - LISTED;
  const shown = problems.slice(0, LISTED).join('; ');
  return more > 0 ? `${shown}; and ${more} more` : shown;
}

/**
 * Reads a browser's File; marks one that can't be read, such as a folder.
 * @param {File} file
 * @returns {Promise<ChosenFile>}
 */
export async function readFile(file) {
  const { name, size } = file;
  try {
    return { name, size, base64: await toBase64(file) };
  } catch {
    return { name, size, unreadable: true };
  }
}

/**
 * @param {File} file
 * @returns {Promise<string>}
 */
function toBase64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(reader.error);
    reader.onload = () => {
      const url = String(reader.result);
      resolve(url.slice(url.indexOf(',') + 1));
    };
    reader.readAsDataURL(file);
  });
}

/**
 * The files as a run's request has them.
 * @param {GivenFile[]} files
 */
export function toBody(files) {
  return files.map(({ name, base64 }) => ({ name, base64 }));
}
