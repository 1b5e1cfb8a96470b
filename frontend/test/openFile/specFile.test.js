import { describe, expect, it } from 'vitest';
import { starter, toSpec } from '../../src/form/fields.js';
import { isSpecName, readSpec, specProblem } from '../../src/openFile/specFile.js';

const catalog = {
  defaults: { max_tokens: 4096, max_turns: 10, retries: 2 },
  providers: [{ id: 'anthropic', default_model: 'm', models: [{ id: 'm' }] }],
  tools: [{ id: 'calculator', code: 'def calculate(): ...' }],
};
const read = (spec) => readSpec(JSON.stringify(spec), catalog);

it('knows specs by their names', () => {
  expect(['a.yaml', 'A.YML', 'a.json', 'a.py', 'json'].map(isSpecName)).toEqual([true, true, true, false, false]);
  expect(specProblem('a.yaml').text).toContain('llm-agent-builder generate --spec a.yaml');
});

describe('a JSON spec', () => {
  it('fills the form, which gives the same spec again', () => {
    const spec = {
      name: 'A', prompt: 'P', task: 'T', provider: 'anthropic', model: 'm', stream: true, max_tokens: 500,
      answer: { type: 'object' }, stop_sequences: ['a\nb'], mcp_servers: [{ name: 's', command: ['x', 'y z'], env: ['E'] }],
    };
    const { values, left } = read({ $schema: 'x', ...spec, tools: ['def f(): ...', { code: 'def g(): ...' }, { gallery: 'calculator' }] });
    const tools = ['def f(): ...', 'def g(): ...', 'def calculate(): ...'].map((code) => ({ code }));
    expect([toSpec(values), left]).toEqual([{ ...spec, tools }, []]);
  });

  it('leaves out what the form can’t show, and says so', () => {
    const odd = { name: 7, provider: 'other', max_tokens: [], tools: [{ gallery: 'no' }], mcp_servers: [3], stop_sequences: 'x', extra: 1, stream: 'yes' };
    const { values, left } = read({ prompt: 'P', ...odd });
    expect(left.sort()).toEqual(Object.keys(odd).sort());
    expect(values).toEqual({ ...starter, name: '', task: '', prompt: 'P' });
  });

  it.each([['{', 'Invalid JSON'], ['[]', 'Expected a JSON object'], ['null', 'Expected a JSON object']])('is refused as %s with a reason', (text, why) => {
    expect(readSpec(text, catalog).why).toContain(why);
  });
});
