/**
 * What keys do in a field that holds code: each function takes its text and selection, and returns the text to
 * put in place of `from` to `to` and the selection after that. Pure.
 */

/** @typedef {{ text: string, start: number, end: number }} State */
/** @typedef {{ from: number, to: number, piece: string, start: number, end: number }} Change */

const INDENT = '    ';

/**
 * @param {string} text
 * @param {number} at
 */
function lineStart(text, at) {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/**
 * Tab: to the next stop, or all selected lines one step in.
 * @param {State} state
 * @returns {Change}
 */
export function indent({ text, start, end }) {
  if (start === end) {
    const piece = ' '.repeat(INDENT.length - ((start - lineStart(text, start)) % INDENT.length));
    return { from: start, to: end, piece, start: start + piece.length, end: start + piece.length };
  }
  return shift({ text, start, end }, (line) => (line === '' ? line : INDENT + line));
}

/**
 * Shift+Tab: the lines one step out.
 * @param {State} state
 */
export function dedent(state) {
  return shift(state, (line) => line.replace(/^ {1,4}|^\t/, ''));
}

/**
 * @param {State} state
 * @param {(line: string) => string} change
 * @returns {Change}
 */
function shift({ text, start, end }, change) {
  const from = lineStart(text, start);
  // A selection that ends at the start of a line does not include that line.
  const last = end > start && text[end - 1] === '\n' ? end - 1 : end;
  const next = text.indexOf('\n', last);
  const to = next === -1 ? text.length : next;
  const old = text.slice(from, to).split('\n');
  const lines = old.map(change);
  const piece = lines.join('\n');
  const first = lines[0].length - old[0].length;
  return { from, to, piece, start: Math.max(from, start + first), end: Math.max(from, end + piece.length - (to - from)) };
}

/**
 * Enter: the new line is indented as this one is, a step further after a colon.
 * @param {State} state
 * @returns {Change}
 */
export function newline({ text, start, end }) {
  const line = text.slice(lineStart(text, start), start);
  const deeper = /:\s*(#.*)?$/.test(line) ? INDENT : '';
  const piece = `\n${line.match(/^[ \t]*/)?.[0] ?? ''}${deeper}`;
  return { from: start, to: end, piece, start: start + piece.length, end: start + piece.length };
}
