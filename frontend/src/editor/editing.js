/**
 * What keys do in a field that holds code: `{text, start, end}` is its text and selection, and each
 * function returns what to put in place of `from` to `to`, and where the selection is then. Pure.
 */
const INDENT = '    ';

function lineStart(text, at) {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Tab: to the next stop, or all selected lines one step in. */
export function indent({ text, start, end }) {
  if (start === end) {
    const piece = ' '.repeat(INDENT.length - ((start - lineStart(text, start)) % INDENT.length));
    return { from: start, to: end, piece, start: start + piece.length, end: start + piece.length };
  }
  return shift({ text, start, end }, (line) => (line === '' ? line : INDENT + line));
}

/** Shift+Tab: the lines one step out. */
export function dedent(state) {
  return shift(state, (line) => line.replace(/^ {1,4}|^\t/, ''));
}

function shift({ text, start, end }, change) {
  const from = lineStart(text, start);
  // A selection that ends at the start of a line doesn't mean that line.
  const last = end > start && text[end - 1] === '\n' ? end - 1 : end;
  const next = text.indexOf('\n', last);
  const to = next === -1 ? text.length : next;
  const old = text.slice(from, to).split('\n');
  const lines = old.map(change);
  const piece = lines.join('\n');
  const first = lines[0].length - old[0].length;
  return { from, to, piece, start: Math.max(from, start + first), end: Math.max(from, end + piece.length - (to - from)) };
}

/** Enter: the new line begins where this one did, a step further after a colon. */
export function newline({ text, start, end }) {
  const line = text.slice(lineStart(text, start), start);
  const deeper = /:\s*(#.*)?$/.test(line) ? INDENT : '';
  const piece = `\n${line.match(/^[ \t]*/)[0]}${deeper}`;
  return { from: start, to: end, piece, start: start + piece.length, end: start + piece.length };
}
