import { expect, it } from 'vitest';
import { readEvents } from '../../src/api/sse.js';

it('reads events from bytes that are cut anywhere, also within a character', async () => {
  const bytes = new TextEncoder().encode(': ping\r\n\r\nid: 7\r\nevent: output\r\ndata: für\r\ndata: ✓\r\n\r\nevent: half');
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events = [];
  for await (const event of readEvents(body)) events.push(event);
  expect(events).toEqual([{ id: '7', event: 'output', data: 'für\n✓' }]);
});

it('cancels the body when its reader stops', async () => {
  let cancelled = false;
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('data: x\n\n')),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const event of readEvents(body)) {
    expect(event.data).toBe('x');
    break;
  }
  await expect.poll(() => cancelled).toBe(true);
});
