/**
 * What a run printed, as a list of segments: successive text of one stream, in arrival order.
 *
 * A run may print a mebibyte, a byte at a time. Text is stored in blocks of limited size, so that a
 * new piece redraws one block and not all of them, and only the newest part stays on the page.
 */

/** @typedef {{ stream: string, text: string }} Chunk of stdout or stderr, or a notice of the page */
/** @typedef {{ id: number, stream: string, firstBlock: number, blocks: string[] }} Segment `firstBlock` makes stable keys */
/** @typedef {{ segments: Segment[], chars: number, dropped: number, nextId: number }} Output */

export const BLOCK_CHARS = 8 * 1024;
export const MAX_CHARS = 256 * 1024;
export const MAX_SEGMENTS = 600;

/** @type {Output} */
export const emptyOutput = { segments: [], chars: 0, dropped: 0, nextId: 0 };

/**
 * Joins neighbouring chunks of one stream, so that the chunks of a frame cost one append.
 * @param {Chunk[]} chunks
 */
function coalesce(chunks) {
  /** @type {{ stream: string, parts: string[] }[]} */
  const joined = [];
  for (const { stream, text } of chunks) {
    const last = joined.at(-1);
    if (last?.stream === stream && stream !== 'notice') last.parts.push(text);
    else joined.push({ stream, parts: [text] });
  }
  return joined.map(({ stream, parts }) => ({ stream, text: parts.join('') }));
}

/** @param {string} text */
function splitBlocks(text) {
  /** @type {string[]} */
  const blocks = [];
  for (let at = 0; at < text.length; at += BLOCK_CHARS) blocks.push(text.slice(at, at + BLOCK_CHARS));
  return blocks;
}

/**
 * @param {Segment} segment
 * @param {string} text
 */
function extend(segment, text) {
  const last = segment.blocks.at(-1) ?? '';
  if (last.length >= BLOCK_CHARS) return { ...segment, blocks: [...segment.blocks, ...splitBlocks(text)] };
  return { ...segment, blocks: [...segment.blocks.slice(0, -1), ...splitBlocks(last + text)] };
}

/**
 * Drops whole blocks from the front until the rest fits.
 * @param {Output} output
 * @returns {Output}
 */
function trim(output) {
  const segments = [...output.segments];
  let { chars, dropped } = output;
  const tooMuch = () => chars > MAX_CHARS || segments.length > MAX_SEGMENTS;
  while (tooMuch() && (segments.length > 1 || segments[0].blocks.length > 1)) {
    const [block, ...blocks] = segments[0].blocks;
    chars -= block.length;
    dropped += block.length;
    if (blocks.length === 0) segments.shift();
    else segments[0] = { ...segments[0], blocks, firstBlock: segments[0].firstBlock + 1 };
  }
  return { ...output, segments, chars, dropped };
}

/**
 * Returns the output with `chunks` added.
 * @param {Output} output
 * @param {Chunk[]} chunks
 */
export function appendOutput(output, chunks) {
  const segments = [...output.segments];
  let { chars, nextId } = output;
  for (const { stream, text } of coalesce(chunks)) {
    if (text === '') continue;
    chars += text.length;
    const last = segments.at(-1);
    if (last?.stream === stream && stream !== 'notice') segments[segments.length - 1] = extend(last, text);
    else segments.push({ id: nextId++, stream, firstBlock: 0, blocks: splitBlocks(text) });
  }
  return trim({ ...output, segments, chars, nextId });
}
