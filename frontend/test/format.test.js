import { expect, it } from 'vitest';
import { costText } from '../src/format.js';

it.each([
  [0.000056, 'provider', '$0.000056'],
  [1.5, 'provider', '$1.50'],
  [null, 'provider', 'unknown'],
  [null, 'local', 'free, local'],
  [null, 'replay', 'none, recorded'],
])('says what %s by %s cost: %s', (value, backend, text) => expect(costText(value, backend)).toBe(text));
