import { describe, expect, it } from 'vitest';
import { replacedNotes } from '../../src/openFile/replaced.js';
import { specValues } from '../../src/openFile/specFile.js';

const anthropic = { id: 'anthropic', label: 'Anthropic', takes_base_url: false, default_model: 'claude', models: [{ id: 'claude' }] };
const models = [{ id: 'qwen' }, { id: 'local', base_url: 'http://listed/v1' }];
const huggingface = { id: 'huggingface', label: 'Hugging Face', takes_base_url: true, default_model: 'qwen', models };
const catalog = { defaults: {}, providers: [anthropic, huggingface] };

const notes = (spec) => replacedNotes(specValues(spec, catalog), catalog);
const modelNote = (file, label, used) => `This server doesn’t offer the file’s model “${file}” for ${label} agents. The form uses ${used} instead.`;
const ADDRESS = 'http://localhost:11434/v1';
const addressNote = `Ignored base_url ${ADDRESS}: Anthropic agents only use Anthropic’s API.`;

describe('what the form replaces in an opened file', () => {
  it('is named where the file has a model and no provider', () => {
    expect(notes({ model: 'qwen' })).toEqual([modelNote('qwen', 'Anthropic', 'claude')]);
    expect(notes({ model: 'my-own-model' })).toEqual([modelNote('my-own-model', 'Anthropic', 'claude')]);
  });

  it('is named where the provider can’t offer the model', () => {
    expect(notes({ provider: 'huggingface', model: 'gone' })).toEqual([modelNote('gone', 'Hugging Face', 'qwen')]);
  });

  it('is named where the form takes another provider', () => {
    expect(notes({ provider: 'other', model: 'gpt-5' })).toEqual([modelNote('gpt-5', 'Anthropic', 'claude')]);
  });

  it('is named where the provider’s agents can’t have the file’s address', () => {
    for (const provider of [{}, { provider: 'anthropic' }]) {
      expect(notes({ ...provider, base_url: ADDRESS, model: 'llama3' })).toEqual([addressNote, modelNote('llama3', 'Anthropic', 'claude')]);
    }
    expect(notes({ base_url: ADDRESS })).toEqual([addressNote]);
  });

  it('is cut where it is very long', () => {
    expect(notes({ model: 'x'.repeat(100_000) })[0].length).toBeLessThan(400);
    expect(notes({ base_url: 'x'.repeat(100_000) })[0].length).toBeLessThan(400);
  });

  it('is nothing where the form has the file’s values', () => {
    expect(notes({})).toEqual([]);
    expect(notes({ model: 'claude' })).toEqual([]);
    expect(notes({ provider: 'huggingface' })).toEqual([]);
    expect(notes({ provider: 'huggingface', model: 'qwen' })).toEqual([]);
    expect(notes({ provider: 'huggingface', model: 'mine', base_url: ADDRESS })).toEqual([]);
    expect(notes({ provider: 'huggingface', model: 'local', base_url: 'http://listed/v1' })).toEqual([]);
  });
});
