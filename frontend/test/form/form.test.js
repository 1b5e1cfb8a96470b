import { describe, expect, it } from 'vitest';
import { backendChoices, effectiveBackend, explainBackend, resolveBackend } from '../../src/form/backends.js';
import { lifecycleWarning, listedAt, retiredLast, staleList } from '../../src/form/lifecycle.js';
import { contextSize, count, dollars, modelFacts, seconds, UNKNOWN } from '../../src/lib/format.js';
import { describeProblem } from '../../src/api/problems.js';
import { fingerprint, restoreDraft, starter, withCatalog } from '../../src/form/fields.js';

const anthropic = {
  id: 'anthropic', label: 'Anthropic', key_env: 'ANTHROPIC_API_KEY', key_configured: false,
  default_model: 'm1', takes_base_url: false, answerer: { own: false, name: 'Anthropic API', reason: 'ANTHROPIC_API_KEY is not set.' }, models: [{ id: 'm1' }, { id: 'm2' }],
};
const catalog = {
  providers: [anthropic],
  backends: [{ id: 'provider', available: false, reason: 'no key' }, { id: 'local', available: true, reason: null }],
};

describe('the draft', () => {
  it('starts with values that can be tested at once', () => {
    expect(restoreDraft(null)).toEqual(starter);
    expect(withCatalog(starter, catalog)).toMatchObject({ provider: 'anthropic', model: 'm1' });
  });

  it('keeps what was typed and drops what is not of its kind', () => {
    expect(restoreDraft({ name: 'Mine', prompt: 7, stream: 'yes', extra: 1 })).toEqual({ ...starter, name: 'Mine' });
  });

  it('replaces a model that is no longer offered', () => {
    expect(withCatalog({ ...starter, provider: 'anthropic', model: 'm2' }, catalog).model).toBe('m2');
    expect(withCatalog({ ...starter, provider: 'anthropic', model: 'gone' }, catalog).model).toBe('m1');
  });

  it('tells every field apart', () => {
    const changed = { name: 'n', prompt: 'p', task: 't', provider: 'x', model: 'y', stream: true };
    for (const [field, value] of Object.entries(changed)) {
      expect(fingerprint({ ...starter, [field]: value })).not.toBe(fingerprint(starter));
    }
  });
});

describe('run with', () => {
  it('disables the provider without a key, names the key, and says who answers', () => {
    const choices = backendChoices(catalog, anthropic.answerer);
    expect(choices.map(({ reason }) => reason)).toEqual([null, 'ANTHROPIC_API_KEY is not set.', null]);
    expect(effectiveBackend(choices, 'provider')).toBe('auto');
    expect(explainBackend(choices, 'auto', anthropic.answerer)).toMatch(/local model will answer/);
  });

  it('offers everything where everything is there', () => {
    const answerer = { ...anthropic.answerer, reason: null };
    const choices = backendChoices(catalog, answerer);
    expect(choices.every(({ reason }) => reason === null)).toBe(true);
    expect(explainBackend(choices, 'auto', answerer)).toMatch(/Anthropic API will answer/);
  });
});

describe('what a test runs on', () => {
  const choices = (provider, local) => [
    { id: 'auto', reason: null },
    { id: 'provider', reason: provider },
    { id: 'local', reason: local },
  ];

  it('is settled from what the page shows, never left to the server', () => {
    expect(resolveBackend(choices(null, null), 'auto')).toBe('provider');
    expect(resolveBackend(choices('no key', null), 'auto')).toBe('local');
    expect(resolveBackend(choices(null, null), 'local')).toBe('local');
    expect(resolveBackend(choices('no key', 'off'), 'auto')).toBeNull();
  });

  it('never moves from a chosen local model to one that costs money', () => {
    const without = choices(null, 'It is not installed.');
    expect(effectiveBackend(without, 'local')).toBe('local');
    expect(resolveBackend(without, 'local')).toBeNull();
    expect(explainBackend(without, 'local', anthropic)).toBe('Local model: It is not installed.');
  });
});

it('lists retired models last and keeps the order otherwise', () => {
  const models = [['a', 'retired'], ['b', 'current'], ['c', 'deprecated'], ['d', 'retired'], ['e', 'current']];
  const sorted = retiredLast(models.map(([id, lifecycle]) => ({ id, lifecycle })));
  expect(sorted.map(({ id }) => id).join('')).toBe('bcead');
});

it('warns of models that are going or gone', () => {
  expect(lifecycleWarning({ lifecycle: 'current' })).toBeNull();
  expect(lifecycleWarning({ lifecycle: 'retired', retires_on: '2026-02-19' })).toBe(
    'Retired by its provider on 2026-02-19. The file can be generated, but calls to the provider will fail.',
  );
  expect(lifecycleWarning({ lifecycle: 'deprecated', retires_on: null })).toMatch(/^This model is deprecated\. Choose/);
  expect(lifecycleWarning({ lifecycle: 'deprecated', retires_on: '2027-01-05' })).toMatch(/ and will be retired on 2027-01-05\. Choose/);
});

describe('figures', () => {
  it('never show an unknown one as zero', () => {
    expect([seconds(null), count(null), dollars(undefined), contextSize(null)]).toEqual([UNKNOWN, UNKNOWN, UNKNOWN, null]);
    expect(modelFacts({ context_window: null, price: null })).toBeNull();
  });

  it('fit their size', () => {
    expect([seconds(0.0064), seconds(1.234), seconds(12.34), seconds(123)]).toEqual(['6 ms', '1.23 s', '12.3 s', '123 s']);
    expect([dollars(0.00123), dollars(3), dollars(0)]).toEqual(['$0.0012', '$3.00', '$0.00']);
    const windows = [200_000, 128_000, 131_072, 262_144, 40_960, 1_000_000, 1_048_576, 1_050_000, 512];
    expect(windows.map(contextSize)).toEqual(['200K', '128K', '128K', '256K', '40K', '1M', '1M', '1.05M', '512']);
  });
});

it('says what to do about an error', () => {
  expect(describeProblem({ code: 'aborted' })).toBeNull();
  expect(describeProblem({ code: 'offline' })).toBeNull(); // the banner says it
  expect(describeProblem({ code: 'backend_unavailable', status: 409, message: 'no key' }).text).toBe('No key.');
  expect(describeProblem({ code: 'queue_full', status: 429, message: 'Full', retryAfter: 6.2 }).text).toBe('Full. Try again in 7 seconds.');
  expect(describeProblem({ code: 'new', status: 418, message: '' }).text).toMatch(/check the server’s log/);
});

it('says of which time the list of models is, and only then', () => {
  expect([listedAt({ refreshed_at: null }), staleList({ refresh_note: null, refreshed_at: 5 }), staleList(null)]).toEqual([null, null, null]);
  expect(staleList({ refresh_note: 'timed out', refreshed_at: null })).toMatch(/\(timed out\); showing the built-in list/);
  expect(staleList({ refresh_note: 'timed out', refreshed_at: 1_795_000_000 })).toMatch(/showing the list from .*2026/);
});
