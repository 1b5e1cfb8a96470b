import { describe, expect, it } from 'vitest';
import { createSseParser, readEvents } from '../../src/api/sse.js';

function parse(...pieces) {
  const feed = createSseParser();
  return pieces.flatMap((piece) => feed(piece));
}

describe('the event stream parser', () => {
  it('reads id, event name and data', () => {
    expect(parse('id: 7\nevent: output\ndata: {"text":"hi"}\n\n')).toEqual([
      { type: 'output', data: '{"text":"hi"}', id: '7' },
    ]);
  });

  it('gives the same events wherever the text is cut', () => {
    const text = ': ping\r\n\r\nid: 1\r\nevent: output\r\ndata: a\r\ndata: b\r\n\r\nid: 2\r\nevent: exit\r\ndata: c\r\n\r\n';
    const whole = parse(text);
    expect(whole).toHaveLength(2);
    for (let at = 1; at < text.length; at += 1) {
      expect(parse(text.slice(0, at), text.slice(at))).toEqual(whole);
    }
    expect(parse(...text)).toEqual(whole);
  });

  it('accepts LF, CR and CRLF', () => {
    for (const end of ['\n', '\r', '\r\n']) {
      // A lone CR may be half of CRLF, so an event ended by one waits for what follows.
      const events = parse(`data: a${end}${end}`, `data: b${end}${end}`, `: end${end}`);
      expect(events.map(({ data }) => data)).toEqual(['a', 'b']);
    }
  });

  it('joins several data lines with newlines and keeps inner spaces', () => {
    expect(parse('data:  a\ndata\ndata: b\n\n')[0].data).toBe(' a\n\nb');
  });

  it('ignores comments, unknown fields and events without data', () => {
    expect(parse(': ping\n\nretry: 5\nevent: nothing\n\ndata: x\n\n')).toEqual([
      { type: 'message', data: 'x', id: undefined },
    ]);
  });

  it('drops an event that was not finished', () => {
    expect(parse('data: whole\n\ndata: half')).toHaveLength(1);
  });
});

it('decodes characters that were cut between two chunks', async () => {
  const bytes = new TextEncoder().encode('data: für ✓\n\n');
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events = [];
  for await (const event of readEvents(body)) events.push(event.data);
  expect(events).toEqual(['für ✓']);
});
