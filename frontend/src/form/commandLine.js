/** A command as people type it, and as the list of words it stands for. Pure. */
const WORD = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"?|'[^']*'?)+/gs;
const PIECE = /\\(.)|"((?:[^"\\]|\\.)*)"?|'([^']*)'?|([^\\"']+)|\\$/gs;

/** @param {string} word */
function unquote(word) {
  return word.replace(PIECE, (_, escaped, double, single, plain) => {
    if (double !== undefined) return double.replace(/\\(["\\])/g, '$1');
    return escaped ?? single ?? plain ?? '';
  });
}

/**
 * `npx -y "my server"` -> ['npx', '-y', 'my server']. A quote left open ends with the text.
 * @param {string} text
 */
export function splitCommand(text) {
  return (text.match(WORD) ?? []).map(unquote);
}

/** @param {string} word */
function quote(word) {
  return /^[^\s"'\\]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`;
}

/** @param {string[]} words */
export function joinCommand(words) {
  return words.map(quote).join(' ');
}
