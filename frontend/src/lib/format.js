/** @import { Model } from '../api/types' */

/** Shown where a number is not known: never a zero, which would be wrong. */
export const UNKNOWN = '–';

// The path of a field, a file's name, an address: written as it is.
const CODE_FIRST = /^(['"`]|\S*[._[\]/\\]\S|\S+: )/;

/**
 * With a capital at its start, unless it starts with code.
 * @param {string} text
 */
export function capitalized(text) {
  return CODE_FIRST.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * The same, with a full stop if it has none.
 * @param {string} text
 */
export function sentence(text) {
  return /[.!?…]$/.test(text) ? capitalized(text) : `${capitalized(text)}.`;
}

/**
 * "line" for 144, "lines" for 144–148 or 3, 144.
 * @param {{ first_line: number, last_line: number }[]} parts
 */
export function linesWord(parts) {
  return parts.length === 1 && parts[0].last_line <= parts[0].first_line ? 'line' : 'lines';
}

/** @param {number | null | undefined} value */
export function seconds(value) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return UNKNOWN;
  if (value < 0.1) return `${Math.round(value * 1000)} ms`;
  if (value < 10) return `${value.toFixed(2)} s`;
  if (value < 100) return `${value.toFixed(1)} s`;
  return `${Math.round(value)} s`;
}

/** @param {number | null | undefined} value */
export function count(value) {
  return typeof value === 'number' ? value.toLocaleString('en-US') : UNKNOWN;
}

/** @param {number | null | undefined} value */
export function dollars(value) {
  if (typeof value !== 'number') return UNKNOWN;
  if (value === 0 || value >= 0.01) return `$${value.toFixed(2)}`;
  return `$${Number(value.toPrecision(2))}`;
}

/** @type {Record<string, string>} */
const FREE = { local: 'free (local)', replay: 'none (recorded)', own: 'no known price' };

/**
 * What a call or a run cost. The local model is free; the cost of the user's own server is not known.
 * @param {number | null | undefined} value
 * @param {string | null} backend
 */
export function costText(value, backend) {
  if (typeof value === 'number') return dollars(value);
  return FREE[backend ?? ''] ?? 'unknown';
}

/**
 * As providers write it: 200000 -> "200K", but 131072 -> "128K" and 1048576 -> "1M".
 * @param {number | null | undefined} tokens
 */
export function contextSize(tokens) {
  if (typeof tokens !== 'number') return null;
  const step = tokens % 1000 !== 0 && tokens % 1024 === 0 ? 1024 : 1000;
  if (tokens >= step * step) return `${Number((tokens / step ** 2).toFixed(2))}M`;
  return tokens >= step ? `${Math.round(tokens / step)}K` : String(tokens);
}

/** @typedef {Pick<Model, 'context_window' | 'price'>} Priced */

/**
 * The quiet line under a model's name; null when nothing is known.
 * @param {Priced} model
 */
export function modelFacts({ context_window: contextWindow, price }) {
  /** @type {string[]} */
  const facts = [];
  if (contextSize(contextWindow)) facts.push(`${contextSize(contextWindow)} context`);
  if (price) facts.push(`${dollars(price.input_per_mtok)} in / ${dollars(price.output_per_mtok)} out per 1M tokens`);
  return facts.join(' · ') || null;
}

/**
 * The same in less space: "1M context · $2.00 / $10.00".
 * @param {Priced} model
 */
export function shortFacts({ context_window: contextWindow, price }) {
  const size = contextSize(contextWindow);
  const facts = [size && `${size} context`, price && `${dollars(price.input_per_mtok)} / ${dollars(price.output_per_mtok)}`];
  return facts.filter(Boolean).join(' · ') || null;
}

/** @param {number} chars */
export function kib(chars) {
  return `${count(Math.max(1, Math.round(chars / 1024)))} KiB`;
}
