/** Shown where a figure is not known: never a zero, which would be a claim. */
export const UNKNOWN = '–';

// The path of a field, a file's name, an address: written as it is.
const CODE_FIRST = /^(['"`]|\S*[._[\]/\\]\S|\S+: )/;

/** With a capital at its start, unless it starts with code. */
export function capitalized(text) {
  return CODE_FIRST.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/** The same with a full stop where it ends without one. */
export function sentence(text) {
  return /[.!?…]$/.test(text) ? capitalized(text) : `${capitalized(text)}.`;
}

/** "line" before 144, "lines" before 144–148 or 3, 144: the word before stretches `{first_line, last_line}`. */
export function linesWord(parts) {
  return parts.length === 1 && parts[0].last_line <= parts[0].first_line ? 'line' : 'lines';
}

export function seconds(value) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return UNKNOWN;
  if (value < 0.1) return `${Math.round(value * 1000)} ms`;
  if (value < 10) return `${value.toFixed(2)} s`;
  if (value < 100) return `${value.toFixed(1)} s`;
  return `${Math.round(value)} s`;
}

export function count(value) {
  return typeof value === 'number' ? value.toLocaleString('en-US') : UNKNOWN;
}

export function dollars(value) {
  if (typeof value !== 'number') return UNKNOWN;
  if (value === 0 || value >= 0.01) return `$${value.toFixed(2)}`;
  return `$${Number(value.toPrecision(2))}`;
}

/** What a call or a run cost. Nobody asks money for the local model, and nobody knows what one's own server costs. */
export function costText(value, backend) {
  if (typeof value === 'number') return dollars(value);
  return { local: 'free, local', replay: 'none, recorded', own: 'no price known' }[backend] ?? 'unknown';
}

/** As providers write it: 200000 -> "200K", but 131072 -> "128K" and 1048576 -> "1M". */
export function contextSize(tokens) {
  if (typeof tokens !== 'number') return null;
  const step = tokens % 1000 !== 0 && tokens % 1024 === 0 ? 1024 : 1000;
  if (tokens >= step * step) return `${Number((tokens / step ** 2).toFixed(2))}M`;
  return tokens >= step ? `${Math.round(tokens / step)}K` : String(tokens);
}

/** The quiet line under a model's name; null when nothing is known. */
export function modelFacts({ context_window: contextWindow, price }) {
  const facts = [];
  if (contextSize(contextWindow)) facts.push(`${contextSize(contextWindow)} context`);
  if (typeof price?.input_per_mtok === 'number' && typeof price?.output_per_mtok === 'number') {
    facts.push(`${dollars(price.input_per_mtok)} in / ${dollars(price.output_per_mtok)} out per 1M tokens`);
  }
  return facts.join(' · ') || null;
}

/** The same where there is little room: "1M context · $2.00 / $10.00". */
export function shortFacts({ context_window: contextWindow, price }) {
  const size = contextSize(contextWindow);
  const known = typeof price?.input_per_mtok === 'number' && typeof price?.output_per_mtok === 'number';
  const facts = [size && `${size} context`, known && `${dollars(price.input_per_mtok)} / ${dollars(price.output_per_mtok)}`];
  return facts.filter(Boolean).join(' · ') || null;
}

export function kib(chars) {
  return `${count(Math.max(1, Math.round(chars / 1024)))} KiB`;
}
