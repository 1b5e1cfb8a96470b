/** Stop sequences, one a line. What a line can't hold is written as Python writes it. Pure. */
const ESCAPES = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };
const MEANINGS = { n: '\n', r: '\r', t: '\t', '\\': '\\' };

/** ['END', '\n\n'] -> "END" and "\n\n" written out, on two lines. */
export function encodeLines(sequences) {
  return sequences.map((text) => text.replace(/[\n\r\t\\]/g, (char) => ESCAPES[char])).join('\n');
}

export function decodeLines(text) {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => line.replace(/\\([nrt\\])/g, (_, letter) => MEANINGS[letter]));
}
