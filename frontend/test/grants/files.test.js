import { describe, expect, it } from 'vitest';
import { runFileUrl } from '../../src/api/client.js';
import { addFiles, readFile, sizeText, toBody, usageText } from '../../src/grants/files.js';

const limits = { max_count: 2, max_bytes: 100, reserved_names: ['agent.py'] };
const file = (name, size = 10) => ({ name, size, base64: 'QQ==' });

describe('adding files', () => {
  it('keeps their order and replaces one of the same name in its place', () => {
    const { files, problem } = addFiles([file('a'), file('b')], [file('a', 20)], limits);
    expect([files.map(({ name, size }) => [name, size]), problem]).toEqual([[['a', 20], ['b', 10]], null]);
  });

  it.each([
    [[file('a'), file('b')], file('c'), 'c exceeds the limit of 2 files'],
    [[file('a', 60)], file('b', 41), 'b exceeds the limit of 100 bytes in total'],
    [[], file('agent.py'), 'agent.py is a reserved name'],
    [[], { name: 'folder', size: 4096, unreadable: true }, 'folder can’t be read'],
  ])('leaves out what can’t be given and says why', (before, added, reason) => {
    const { files, problem } = addFiles(before, [added], limits);
    expect(files).toEqual(before);
    expect(problem).toContain(reason);
  });

  it('adds the rest when one is left out, and names a few of many', () => {
    const { files, problem } = addFiles([], [file('big', 101), file('a')], limits);
    expect([files.length, problem]).toEqual([1, 'Not added: big exceeds the limit of 100 bytes in total.']);
    const many = Array.from({ length: 9 }, (_, index) => file(`big${index}`, 101));
    expect(addFiles([], many, limits).problem).toMatch(/big2 .*; and 6 more\.$/);
  });

  it('counts a replaced file once', () => {
    expect(addFiles([file('a', 90)], [file('a', 100)], limits).problem).toBe(null);
  });
});

it.each([[0, '0 bytes'], [1, '1 byte'], [1023, '1,023 bytes'], [1024, '1 KiB'], [1536, '1.5 KiB'], [4 << 20, '4 MiB']])(
  'writes %d bytes as %s',
  (bytes, text) => expect(sizeText(bytes)).toBe(text),
);

it('says how much of the limits is used', () => {
  expect(usageText([file('a', 50)], limits)).toBe('1 of 2 files, 50 bytes of 100 bytes');
});

it('sends names and contents, and nothing else', () => {
  expect(toBody([file('a')])).toEqual([{ name: 'a', base64: 'QQ==' }]);
});

it('says of what it can’t read that it is unreadable', async () => {
  expect(await readFile({ name: 'x', size: 1 })).toEqual({ name: 'x', size: 1, unreadable: true });
});

it('escapes each part of a downloaded name', () => {
  expect(runFileUrl('id', 'a b/c#d?%.csv')).toBe('/api/runs/id/files/a%20b/c%23d%3F%25.csv');
});
