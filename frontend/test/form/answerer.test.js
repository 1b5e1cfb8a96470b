import { describe, expect, it } from 'vitest';
import { answererOf, usualAddress } from '../../src/form/answerer.js';
import { answeredBy, backendChoices, explainBackend, nameBackend, resolveBackend } from '../../src/form/backends.js';
import { starter } from '../../src/form/fields.js';

const open = { base_url: 'http://127.0.0.1:9/v1', key_env: null, key_configured: true };
const locked = { base_url: 'https://models.example/v1', key_env: 'MY_KEY', key_configured: false };
const huggingface = {
  id: 'huggingface', label: 'Hugging Face', key_env: 'HF_KEY', key_configured: false, servers: [open, locked],
  models: [{ id: 'theirs' }, { id: 'mine', base_url: open.base_url }, { id: 'paid', base_url: locked.base_url }],
};
const catalog = {
  providers: [huggingface],
  backends: [{ id: 'provider', available: true }, { id: 'local', available: true, reason: null }],
};

/** What the page says and does on Auto. */
function onAuto(changed, provider = huggingface) {
  const answerer = answererOf({ ...starter, provider: provider.id, ...changed }, provider);
  const choices = backendChoices(catalog, answerer);
  const backend = resolveBackend(choices, 'auto');
  return { backend, said: explainBackend(choices, 'auto', answerer), hint: nameBackend(backend, answerer), answerer };
}

describe('a server of the user’s own', () => {
  it('answers for a model that the catalog has there, without the provider’s key', () => {
    const { backend, said, hint, answerer } = onAuto({ model: 'mine' });
    expect([backend, said]).toEqual(['provider', 'Your server http://127.0.0.1:9/v1 will answer.']);
    expect(hint).toBe('Runs on your server http://127.0.0.1:9/v1.');
    expect(answeredBy({ backend, answerer: answerer.name })).toBe('your server http://127.0.0.1:9/v1');
  });

  it.each(['http://127.0.0.1:9', ' http://127.0.0.1:9/v1/ ', 'http://127.0.0.1:9/v1/chat/completions'])(
    'answers for the address %s typed into the form, or read from a file',
    (address) => expect(onAuto({ model: 'any', base_url: address }).backend).toBe('provider'),
  );

  it('leaves a model of the provider to the provider’s key', () => {
    expect(onAuto({ model: 'theirs' })).toMatchObject({ backend: 'local', said: expect.stringContaining('HF_KEY is not set.') });
  });

  it('is named with its key where that is missing, whatever key the provider has', () => {
    const { backend, said } = onAuto({ model: 'paid' }, { ...huggingface, key_configured: true });
    expect(backend).toBe('local');
    expect(said).toContain('https://models.example/v1 needs a key, and MY_KEY is not set.');
  });

  it('is told of when the settings don’t list it', () => {
    const { backend, said } = onAuto({ model: 'any', base_url: 'http://elsewhere:1' }, { ...huggingface, key_configured: true });
    expect(backend).toBe('local');
    expect(said).toContain('http://elsewhere:1/v1 isn’t in AGENT_BUILDER_MODEL_SERVERS');
  });

  it('is not another provider’s: an address left from before counts for nothing there', () => {
    const anthropic = { id: 'anthropic', label: 'Anthropic', key_env: 'A', key_configured: true, models: [] };
    expect(onAuto({ base_url: 'http://elsewhere:1' }, anthropic).said).toMatch(/^The Anthropic API will answer/);
  });
});

it('writes an address as the server does', () => {
  expect([usualAddress(' http://a/ '), usualAddress('http://a/v1'), usualAddress('')]).toEqual(['http://a/v1', 'http://a/v1', '']);
});
