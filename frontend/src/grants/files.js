import { count } from '../lib/format.js';

/** The files given to a run: `{name, size, base64}` each, in the order they were added. Pure. */
export const noFiles = [];

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB'];

/** 1 -> "1 byte", 2048 -> "2 KiB", 1500000 -> "1.4 MiB". */
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

export function totalSize(files) {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** "2 of 64 files, 1.4 MiB of 4 MiB" */
export function usageText(files, bounds) {
  return `${files.length} of ${bounds.max_count} files, ${sizeText(totalSize(files))} of ${sizeText(bounds.max_bytes)}`;
}

/**
 * Adds what was chosen, as far as the server would take it; a file of the same name is replaced.
 * Returns `{files, problem}`, where the problem names what was not added and why, or is null.
 */
export function addFiles(files, chosen, bounds) {
  let added = files;
  const refused = [];
  for (const file of chosen) {
    const others = added.filter(({ name }) => name !== file.name);
    const reason = refusal(others, file, bounds);
    if (reason) refused.push(`${file.name} ${reason}`);
    else added = added.length === others.length ? [...added, file] : added.map((old) => (old.name === file.name ? file : old));
  }
  return { files: added, problem: refused.length > 0 ? `Not added: ${listed(refused)}.` : null };
}

function refusal(others, { name, size, unreadable }, bounds) {
  if (unreadable) return 'can’t be read (a folder can’t be added)';
  if (name === 'agent.py') return 'is the name of the agent itself';
  if (name === 'tmp') return 'is the name of the run’s folder for temporary files';
  if (others.length >= bounds.max_count) return `is one more than ${bounds.max_count} files`;
  if (totalSize(others) + size > bounds.max_bytes) return `makes more than ${sizeText(bounds.max_bytes)} in all`;
  return null;
}

const LISTED = 3;

function listed(problems) {
  const more = problems.length - LISTED;
  const shown = problems.slice(0, LISTED).join('; ');
  return more > 0 ? `${shown}; and ${more} more` : shown;
}

/** Reads a browser's File; one that can't be read, such as a folder, says so. */
export async function readFile(file) {
  const { name, size } = file;
  try {
    return { name, size, base64: await toBase64(file) };
  } catch {
    return { name, size, unreadable: true };
  }
}

function toBase64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(reader.error);
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.readAsDataURL(file);
  });
}

/** What the server takes. */
export function toBody(files) {
  return files.map(({ name, base64 }) => ({ name, base64 }));
}
