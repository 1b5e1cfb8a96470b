import { describe, expect, it } from 'vitest';
import { dedent, indent, newline } from '../../src/editor/editing.js';

/** The text with the selection shown as `[` and `]`, or `|` where it is empty. */
function parse(shown) {
  const start = shown.search(/[|[]/);
  const end = shown.includes('|') ? start : shown.indexOf(']') - 1;
  return { text: shown.replace(/[|[\]]/g, ''), start, end };
}

function after(change, shown) {
  const { text } = parse(shown);
  const { from, to, piece, start, end } = change(parse(shown));
  const next = text.slice(0, from) + piece + text.slice(to);
  return start === end ? `${next.slice(0, start)}|${next.slice(start)}` : `${next.slice(0, start)}[${next.slice(start, end)}]${next.slice(end)}`;
}

describe('in a field for code', () => {
  it('Tab goes to the next stop, or moves all selected lines', () => {
    expect(after(indent, 'ab|c')).toBe('ab  |c');
    expect(after(indent, 'a\nb[c\n\nd]e\nf')).toBe('a\n    b[c\n\n    d]e\nf');
    expect(after(indent, '[a\n]b')).toBe('    [a\n]b');
  });

  it('Shift+Tab moves lines back, as far as they go', () => {
    expect(after(dedent, 'a\n     b|c')).toBe('a\n b|c');
    expect(after(dedent, '  |x')).toBe('|x');
    expect(after(dedent, '    a[b\n  c]d')).toBe('a[b\nc]d');
  });

  it('Enter keeps the depth, and goes deeper after a colon', () => {
    expect(after(newline, 'def f():|')).toBe('def f():\n    |');
    expect(after(newline, '    x = 1|')).toBe('    x = 1\n    |');
    expect(after(newline, '  if a:  # why|b')).toBe('  if a:  # why\n      |b');
  });
});
