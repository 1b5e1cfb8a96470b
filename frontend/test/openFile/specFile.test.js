import { describe, expect, it } from 'vitest';
import { starter, toSpec } from '../../src/form/fields.js';
import { ignoredNotes, specValues } from '../../src/openFile/specFile.js';

const catalog = {
  defaults: { max_tokens: 4096, max_turns: 10, retries: 2 },
  providers: [{ id: 'anthropic', default_model: 'm', models: [{ id: 'm' }] }],
};

describe('a spec', () => {
  it('fills the form, which gives the same spec again', () => {
    const spec = {
      name: 'A', prompt: 'P', task: 'T', provider: 'anthropic', model: 'm', stream: true, max_tokens: 500,
      tools: [{ code: 'def f(): ...' }], stop_sequences: ['a\nb'], mcp_servers: [{ name: 's', command: ['x', 'y z'], env: ['E'] }],
    };
    const answer = '{"type": "object"}';
    expect(toSpec(specValues({ ...spec, answer }, catalog))).toEqual({ ...spec, answer });
  });

  it('leaves the fields empty that it does not have', () => {
    expect(specValues({ prompt: 'P' }, catalog)).toEqual({ ...starter, name: '', task: '', prompt: 'P' });
  });

  it('names what the form can’t show, with the reason', () => {
    const ignored = [
      { field: 'promt', problem: 'unknown field; did you mean prompt?' },
      { field: 'mcp_servers', problem: 'mcp_servers.0: must be a mapping of fields' },
      { field: 'tools', problem: 'tools.1.cod: unknown field; did you mean code?' },
      { field: '""', problem: 'unknown field' },
    ];
    expect(ignoredNotes(ignored)).toEqual([
      'Ignored promt: unknown field; did you mean prompt?',
      'Ignored mcp_servers because of its part 0: must be a mapping of fields.',
      'Ignored tools because of its part 1.cod: unknown field; did you mean code?',
      'Ignored "": unknown field.',
    ]);
    expect(ignoredNotes([])).toEqual([]);
  });
});
