/** Stop sequences, one per line. Characters that a line can't hold are escaped as in Python. Pure. */

/** @type {Record<string, string>} */
const ESCAPES = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };
/** @type {Record<string, string>} */
const MEANINGS = { n: '\n', r: '\r', t: '\t', '\\': '\\' };

/**
 * ['END', '\n\n'] -> "END" and "\n\n" escaped, on two lines.
 * @param {string[]} sequences
 */
export function encodeLines(sequences) {
  return sequences.map((text) => text.replace(/[\n\r\t\\]/g, (char) => ESCAPES[char])).join('\n');
}

/** @param {string} text */
export function decodeLines(text) {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => line.replace(/\\([nrt\\])/g, (_, letter) => MEANINGS[letter]));
}
