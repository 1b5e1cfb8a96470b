import { describe, expect, it } from 'vitest';
import { capabilityFacts, fitToModel, missingAbilities, offered } from '../../src/form/capabilities.js';
import { starter } from '../../src/form/fields.js';

const able = {
  label: 'Able',
  capabilities: {
    max_output_tokens: 64_000, thinking: ['adaptive', 'disabled', 'later'], effort: ['low', 'high', 'max'],
    effort_without_thinking: ['low'], typed_answers: true, tools: true, prompt_caching: true,
  },
};
const plain = {
  label: 'Plain',
  capabilities: { max_output_tokens: 8192, thinking: [], effort: [], typed_answers: false, tools: false, prompt_caching: false },
};
const chosen = { ...starter, thinking: 'adaptive', effort: 'high', cache_prompt: true, max_tokens: '20000' };
const WORDS = { adaptive: 'Adaptive', disabled: 'Off', low: 'Low', high: 'High', max: 'Max' };

describe('a newly chosen model', () => {
  it('removes the options it doesn’t support, and says so', () => {
    const { changed, note } = fitToModel(chosen, plain);
    expect(changed).toEqual({ thinking: '', effort: '', cache_prompt: false, max_tokens: '8192' });
    expect(note).toMatch(/Plain doesn’t support these options, so they were removed: thinking “Adaptive”, effort “High”, prompt caching\./);
    expect(note).toMatch(/Max tokens is now 8,192/);
  });

  it('keeps the options it supports, and all options where nothing is known', () => {
    expect(fitToModel(chosen, able)).toEqual({ changed: {}, note: null });
    const unknown = { label: 'New', capabilities: { thinking: null, effort: null, effort_without_thinking: null, prompt_caching: true } };
    expect(fitToModel(chosen, unknown)).toEqual({ changed: {}, note: null });
  });

  it('removes an effort that it supports only with thinking', () => {
    expect(fitToModel({ ...chosen, thinking: 'disabled' }, able).changed).toEqual({ effort: '' });
    const always = { ...able, capabilities: { ...able.capabilities, thinking: ['adaptive'] } };
    expect(fitToModel({ ...chosen, thinking: 'disabled' }, always).changed).toEqual({ thinking: '' });
  });

  it('offers its own choices, and still shows one that is set', () => {
    expect(offered('thinking', starter, able, WORDS)).toEqual(['adaptive', 'disabled']);
    expect(offered('effort', { ...starter, thinking: 'disabled' }, able, WORDS)).toEqual(['low']);
    expect(offered('effort', starter, plain, WORDS)).toEqual([]);
    expect(offered('effort', chosen, plain, WORDS)).toEqual(['high']);
  });

  it('never removes the user’s own code, but says what is missing', () => {
    const work = { ...starter, tools: [{ code: 'def f(): ...' }], answer: 'class A: ...' };
    expect(Object.keys(missingAbilities(work, plain)).sort()).toEqual(['answer', 'tools']);
    expect(missingAbilities(work, able)).toEqual({});
    expect(missingAbilities(work, null)).toEqual({});
  });

  it('is summed up, unless nothing is known', () => {
    expect(capabilityFacts(able)).toBe('tools, typed answers, thinking, effort');
    expect(capabilityFacts({})).toBeNull();
  });
});
