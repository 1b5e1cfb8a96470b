/**
 * A parser for `text/event-stream`.
 *
 * Fetch is used rather than EventSource because a run ends with an event after which nothing may
 * reconnect, because errors carry a body worth reading, and because the place to resume from has
 * to survive a new connection that this page starts itself.
 */

function emptyEvent() {
  return { type: 'message', data: [], id: undefined };
}

function takeField(event, line) {
  if (line.startsWith(':')) return; // a comment: the server's ping
  const colon = line.indexOf(':');
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
  if (field === 'event') event.type = value;
  else if (field === 'data') event.data.push(value);
  else if (field === 'id') event.id = value;
}

/**
 * Returns a function that takes text as it comes, in pieces cut anywhere, and returns the events
 * completed by it: `{type, data, id}`, where `id` is undefined when the event had none.
 */
export function createSseParser() {
  let rest = '';
  let event = emptyEvent();

  return function feed(text) {
    const events = [];
    rest += text;
    // A carriage return at the very end may be the first half of CRLF: it waits for the next piece.
    const held = rest.endsWith('\r') ? '\r' : '';
    const lines = rest.slice(0, rest.length - held.length).split(/\r\n|\n|\r/);
    rest = lines.pop() + held;
    for (const line of lines) {
      if (line !== '') {
        takeField(event, line);
        continue;
      }
      if (event.data.length > 0) events.push({ ...event, data: event.data.join('\n') });
      event = emptyEvent();
    }
    return events;
  };
}

/** Yields the events of a response body; ends when the server closes it, throws when it breaks. */
export async function* readEvents(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const feed = createSseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
