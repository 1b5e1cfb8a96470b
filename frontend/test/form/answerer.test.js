import { describe, expect, it } from 'vitest';
import { answererOf } from '../../src/form/answerer.js';
import { backendChoices, explainBackend, nameBackend, resolveBackend } from '../../src/form/backends.js';
import { starter } from '../../src/form/fields.js';

const own = { own: true, name: 'your server http://127.0.0.1:9/v1', reason: null };
const keyless = { own: false, name: 'Hugging Face API', reason: 'HF_KEY is not set.' };
const huggingface = {
  id: 'huggingface', answerer: keyless, servers: [{ base_url: 'http://127.0.0.1:9/v1', answerer: own }],
  models: [{ id: 'theirs' }, { id: 'mine', base_url: 'http://127.0.0.1:9/v1' }],
};
const catalog = { backends: [{ id: 'provider', reason: 'not asked' }, { id: 'local', reason: null }] };
const nothing = { base_url: '', found: null };

/** What the page says and does on Auto. */
function onAuto(changed, inspected = nothing) {
  const answerer = answererOf({ ...starter, provider: 'huggingface', ...changed }, huggingface, inspected);
  const choices = backendChoices(catalog, answerer);
  const backend = resolveBackend(choices, 'auto');
  return { backend, said: explainBackend(choices, 'auto', answerer), hint: nameBackend(backend, answerer) };
}

describe('what answers an agent', () => {
  it('is the user’s own server for a model that the catalog lists there', () => {
    const { backend, said, hint } = onAuto({ model: 'mine' });
    expect([backend, said]).toEqual(['provider', 'Your server http://127.0.0.1:9/v1 will answer.']);
    expect(hint).toBe('Runs on your server http://127.0.0.1:9/v1.');
  });

  it('is the provider for its own models, with its reason', () => {
    expect(onAuto({ model: 'theirs' })).toMatchObject({ backend: 'local', said: expect.stringContaining('HF_KEY is not set.') });
  });

  it('is what the server says of a typed address', () => {
    const refused = { ...own, reason: 'Add http://elsewhere:1/v1 to AGENT_BUILDER_MODEL_SERVERS' };
    const typed = { model: 'any', base_url: 'http://elsewhere:1' };
    expect(onAuto(typed, { base_url: typed.base_url, found: { answerer: own } }).backend).toBe('provider');
    expect(onAuto(typed, { base_url: typed.base_url, found: { answerer: refused } }).said).toContain('AGENT_BUILDER_MODEL_SERVERS');
  });

  it('is not known while another address was looked up, and then never the provider', () => {
    const typed = { model: 'any', base_url: 'http://elsewhere:12' };
    const { backend, said } = onAuto(typed, { base_url: 'http://elsewhere:1', found: { answerer: own } });
    expect([backend, said]).toEqual(['local', 'The built-in local model will answer. Enter a complete address.']);
  });

  it('is not known before the catalog has loaded', () => {
    expect(answererOf(starter, null, nothing)).toBeNull();
  });
});
