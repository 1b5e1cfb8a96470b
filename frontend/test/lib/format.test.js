import { expect, it } from 'vitest';
import { capitalized, costText, linesWord, sentence } from '../../src/lib/format.js';

it.each([
  [0.000056, 'provider', '$0.000056'],
  [1.5, 'provider', '$1.50'],
  [null, 'provider', 'unknown'],
  [null, 'own', 'no known price'],
  [null, 'local', 'free (local)'],
  [null, 'replay', 'none (recorded)'],
])('says what %s by %s cost: %s', (value, backend, text) => expect(costText(value, backend)).toBe(text));

it.each([
  ['properties.a.type has no meaning', 'properties.a.type has no meaning'],
  ['type: unknown', 'type: unknown'],
  ['"a" is no type', '"a" is no type'],
  ['can’t be read', 'Can’t be read'],
  ["can't be read", "Can't be read"],
  ['', ''],
])('begins a message with a capital, and code as it is: %s', (text, shown) => expect(capitalized(text)).toBe(shown));

it('ends a sentence once', () => {
  expect([sentence('it is so'), sentence('It is so.'), sentence('agent.py is there')]).toEqual(['It is so.', 'It is so.', 'agent.py is there.']);
});

it('says line of one and lines of more', () => {
  const at = (first, last) => ({ first_line: first, last_line: last });
  expect([linesWord([at(3, 3)]), linesWord([at(3, 5)]), linesWord([at(3, 3), at(9, 9)])]).toEqual(['line', 'lines', 'lines']);
});
