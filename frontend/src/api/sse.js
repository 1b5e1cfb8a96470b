import { EventSourceParserStream } from 'eventsource-parser/stream';

/**
 * Yields the events of a `text/event-stream` body; ends when the server closes it, throws when it breaks.
 *
 * Fetch is used rather than EventSource because a run ends with an event after which nothing may
 * reconnect, because errors carry a body worth reading, and because the page starts new connections
 * itself and resumes where the last one ended.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 */
export async function* readEvents(body) {
  const events = body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const reader = events.getReader(); // not `for await`: Safari iterates over streams only from version 26 on
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
