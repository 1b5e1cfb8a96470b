import { afterEach, describe, expect, it, vi } from 'vitest';
import * as api from '../../src/api/client.js';

function answer(status, body, headers = {}) {
  return new Response(body === undefined ? null : JSON.stringify(body), { status, headers });
}

/** A server that gives these answers in turn; returns what it was asked. */
function serve(...answers) {
  const asked = [];
  vi.stubGlobal('fetch', async (path, options) => {
    asked.push({ path, ...options });
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  });
  return asked;
}

afterEach(() => {
  vi.unstubAllGlobals();
  api.onTokenRequired(null);
});

describe('errors', () => {
  it('gives each field of a 422 its message', async () => {
    serve(
      answer(422, {
        code: 'invalid_request',
        detail: [
          { loc: ['body', 'model'], msg: 'not offered by this provider', type: 'value_error' },
          { loc: ['body', 'name'], msg: 'String must have at least 1 character', type: 'string_too_short' },
        ],
      }),
    );
    await expect(api.generate({})).rejects.toMatchObject({
      status: 422,
      fields: { model: 'Not offered by this provider', name: 'Fill this in.' },
    });
  });

  it('names a part of a field by its whole path, with its line, and the conflicts', async () => {
    const conflicts = [{ first_line: 3, last_line: 3, text: 'x = 1' }];
    serve(
      answer(422, { detail: [{ loc: ['body', 'tools', 0, 'code'], msg: 'line 3: no type', type: 'code', line: 3 }, { loc: ['body', 'answer'], msg: 'properties.a.type has no meaning' }, { loc: ['body', 'retries'], msg: 'must be a whole number', type: 'int_type', line: null }] }),
      answer(409, { detail: 'lines meet', code: 'conflict', conflicts }),
    );
    await expect(api.generate({})).rejects.toMatchObject({ fields: { 'tools.0.code': 'Line 3: no type', answer: 'properties.a.type has no meaning', retries: 'Enter a whole number.' }, lines: { 'tools.0.code': 3 } });
    await expect(api.generate({}, 'mine')).rejects.toMatchObject({ code: 'conflict', conflicts });
  });

  it('keeps code, text and Retry-After', async () => {
    serve(answer(429, { detail: 'The queue is full', code: 'queue_full' }, { 'Retry-After': '7' }));
    await expect(api.createRun({})).rejects.toMatchObject({ code: 'queue_full', message: 'The queue is full', retryAfter: 7 });
  });

  it('calls an unreachable server and an empty gateway answer offline', async () => {
    serve(new TypeError('failed'), new Response('', { status: 502 }));
    await expect(api.getCatalog()).rejects.toMatchObject({ code: 'offline', status: 0 });
    await expect(api.getCatalog()).rejects.toMatchObject({ code: 'offline' });
  });

  it('does not take the server’s own 502 for an unreachable server', async () => {
    serve(answer(502, { detail: 'upstream', code: 'upstream_failed' }));
    await expect(api.getCatalog()).rejects.toMatchObject({ code: 'upstream_failed' });
  });

  it('survives an answer that is not JSON', async () => {
    serve(new Response('<html>', { status: 500 }), new Response('<html>', { status: 200 }));
    await expect(api.getCatalog()).rejects.toMatchObject({ status: 500, code: 'unknown' });
    await expect(api.getCatalog()).rejects.toMatchObject({ code: 'bad_answer' });
  });
});

describe('the access token', () => {
  const locked = () => answer(401, { detail: 'A token is required', code: 'token_required' });

  it('is asked for once, and the request is sent again', async () => {
    const asked = serve(locked(), answer(200, { providers: [] }));
    const ask = vi.fn(async () => true);
    api.onTokenRequired(ask);
    await expect(api.getCatalog()).resolves.toEqual({ providers: [] });
    expect(ask).toHaveBeenCalledOnce();
    expect(asked).toHaveLength(2);
  });

  it('stays an error when the dialog is dismissed', async () => {
    serve(locked());
    api.onTokenRequired(async () => false);
    await expect(api.getCatalog()).rejects.toMatchObject({ code: 'token_required' });
  });
});

it('resumes events after the last one seen', async () => {
  const asked = serve(new Response('', { status: 200 }), new Response('', { status: 200 }));
  await api.openEvents('a/b', null);
  await api.openEvents('a/b', 12);
  expect(asked[0].path).toBe('/api/runs/a%2Fb/events');
  expect(asked.map(({ headers }) => headers['Last-Event-ID'])).toEqual([undefined, '12']);
});
