import { describe, expect, it } from 'vitest';
import { appendOutput, BLOCK_CHARS, emptyOutput, MAX_CHARS, MAX_SEGMENTS } from '../../src/run/output.js';

const out = (text) => ({ stream: 'stdout', text });
const err = (text) => ({ stream: 'stderr', text });
const textOf = (output) => output.segments.map(({ blocks }) => blocks.join('')).join('');

describe('output', () => {
  it('joins one stream and keeps the order of both', () => {
    const output = appendOutput(emptyOutput, [out('a'), out('b'), err('x'), out('c')]);
    expect(output.segments.map(({ stream, blocks }) => [stream, blocks.join('')])).toEqual([
      ['stdout', 'ab'],
      ['stderr', 'x'],
      ['stdout', 'c'],
    ]);
  });

  it('goes on in the last segment across frames', () => {
    const output = appendOutput(appendOutput(emptyOutput, [out('a')]), [out('b'), err('x')]);
    expect(output.segments).toHaveLength(2);
    expect(textOf(output)).toBe('abx');
  });

  it('leaves finished segments and blocks untouched, so that they are not drawn again', () => {
    const before = appendOutput(emptyOutput, [err('x'), out('a'.repeat(BLOCK_CHARS * 2 + 5))]);
    const after = appendOutput(before, [out('b')]);
    expect(after.segments[0]).toBe(before.segments[0]);
    expect(after.segments[1].blocks.slice(0, 2)).toEqual(before.segments[1].blocks.slice(0, 2));
    expect(after.segments[1].blocks).toHaveLength(3);
  });

  it('keeps the newest part of a large output and counts the rest', () => {
    let output = emptyOutput;
    for (let n = 0; n < 1024; n += 1) output = appendOutput(output, [out(`${n} `.padEnd(1024, '.'))]);
    expect(output.chars).toBeLessThanOrEqual(MAX_CHARS);
    expect(output.chars + output.dropped).toBe(1024 * 1024);
    expect(textOf(output)).toHaveLength(output.chars);
    expect(textOf(output)).toContain('1023 ');
  });

  it('bounds the number of segments', () => {
    const chunks = Array.from({ length: 5000 }, (_, n) => (n % 2 ? out('a') : err('b')));
    expect(appendOutput(emptyOutput, chunks).segments).toHaveLength(MAX_SEGMENTS);
  });
});
