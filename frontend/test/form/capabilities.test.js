import { describe, expect, it } from 'vitest';
import { capabilityFacts, fitToModel, missingAbilities, offered } from '../../src/form/capabilities.js';
import { starter } from '../../src/form/fields.js';
import { meaningOf, vagueTools, wantedHosts } from '../../src/grants/hosts.js';
import { lineOf, NEW_TOOL, toolName, toolsThatNeed, toolSummary } from '../../src/editor/toolCode.js';

const able = {
  label: 'Able',
  capabilities: {
    max_output_tokens: 64_000, thinking: ['adaptive', 'disabled', 'later'], effort: ['low', 'high', 'max'],
    effort_without_thinking: ['low'], typed_answers: true, tools: true, prompt_caching: true,
  },
};
const plain = {
  label: 'Plain',
  capabilities: { max_output_tokens: 8192, thinking: [], effort: null, typed_answers: false, tools: false, prompt_caching: false },
};
const chosen = { ...starter, thinking: 'adaptive', effort: 'high', cache_prompt: true, max_tokens: '20000' };
const WORDS = { adaptive: 'Adaptive', disabled: 'Off', low: 'Low', high: 'High', max: 'Max' };

describe('a newly chosen model', () => {
  it('takes out what it does not have, and says so', () => {
    const { changed, note } = fitToModel(chosen, plain);
    expect(changed).toEqual({ thinking: '', effort: '', cache_prompt: false, max_tokens: '8192' });
    expect(note).toMatch(/Plain does not have it: thinking “adaptive”, effort “high”, prompt caching\./);
    expect(note).toMatch(/Max tokens is now 8,192/);
  });

  it('leaves alone what it has, and everything where nothing is known of it', () => {
    expect(fitToModel(chosen, able)).toEqual({ changed: {}, note: null });
    expect(fitToModel(chosen, { label: 'New' })).toEqual({ changed: {}, note: null });
  });

  it('offers its own choices, and shows one that is set all the same', () => {
    expect(offered('thinking', starter, able, WORDS)).toEqual(['adaptive', 'disabled']);
    expect(offered('effort', { ...starter, thinking: 'disabled' }, able, WORDS)).toEqual(['low']);
    expect(offered('effort', starter, plain, WORDS)).toEqual([]);
    expect(offered('effort', chosen, plain, WORDS)).toEqual(['high']);
  });

  it('never takes the user’s own code away, but says what is missing', () => {
    const work = { ...starter, tools: [{ code: NEW_TOOL }], answer: 'class A: ...' };
    expect(Object.keys(missingAbilities(work, plain)).sort()).toEqual(['answer', 'tools']);
    expect(missingAbilities(work, able)).toEqual({});
    expect(missingAbilities(work, null)).toEqual({});
  });

  it('is summed up, and nothing is said where nothing is known', () => {
    expect(capabilityFacts(able)).toBe('tools, typed answers, thinking, effort');
    expect(capabilityFacts({})).toBeNull();
  });
});

describe('a tool’s source', () => {
  it('gives its name and what it says of itself, past helpers', () => {
    expect([toolName(NEW_TOOL), toolSummary(NEW_TOOL)]).toEqual(['word_count', 'Count the words of a text.']);
    const helped = 'def _help() -> int:\n    """Inner."""\n    return 1\n\n\ndef outer(a: int) -> int:\n    """Outer."""\n';
    expect([toolName(helped), toolSummary(helped)]).toEqual(['outer', 'Outer.']);
    expect([toolName('x = 1'), toolSummary('')]).toEqual([null, null]);
  });

  it('tells what it needs: by the gallery, else by what it uses', () => {
    const gallery = [{ code: 'def lookup(a: int) -> int: ...', needs: 'hosts' }, { code: 'def tidy(a: int) -> int: ...', needs: null }];
    const tools = ['def lookup(a: int) -> int: ...', 'def tidy(a):\n    open("x")', 'def load(a):\n    return open(a).read()', 'import httpx\ndef get(a): ...'];
    const needing = (kind) => toolsThatNeed(kind, tools.map((code) => ({ code })), gallery);
    expect(needing('hosts')).toEqual(['lookup', 'get']);
    expect(needing('files')).toEqual(['load']);
  });

  it('is marked at the line an error speaks of', () => {
    expect([lineOf('Line 12: no docstring'), lineOf('at line 3, column 4'), lineOf('no line'), lineOf(undefined)]).toEqual([12, 3, null, null]);
  });
});

it('finds the hosts that tools and MCP servers ask for, each once', () => {
  const values = {
    tools: [
      { code: 'FETCH_HOSTS = ("Example.com", "b.example")\n\n\ndef fetch_url(url: str) -> str: ...' },
      { code: 'import httpx\n\n\ndef other(url: str) -> str: ...' },
    ],
    mcp_servers: [
      { kind: 'url', name: 'docs', url: 'http://mcp.example/x' },
      { kind: 'url', name: '', url: 'https://b.example' },
      { kind: 'url', name: 'half', url: 'https:/' },
      { kind: 'command', name: 'c', url: 'https://never.example' },
    ],
  };
  expect(wantedHosts(values)).toEqual([
    { host: 'example.com:443', by: 'fetch_url' },
    { host: 'b.example:443', by: 'fetch_url' },
    { host: 'mcp.example:80', by: 'docs' },
  ]);
  expect(vagueTools(values, [])).toEqual(['other']);
});

it('only what is no host needs its meaning said', () => {
  expect(meaningOf('example.com:443')).toBe(null);
  expect(meaningOf('provider-tools')).toBe('web search, pictures by address and MCP servers that the provider runs');
});
