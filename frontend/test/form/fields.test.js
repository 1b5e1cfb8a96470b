import { describe, expect, it } from 'vitest';
import { joinCommand, splitCommand } from '../../src/form/commandLine.js';
import { FIELDS, fingerprint, fromSpec, newServer, newTool, restoreDraft, starter, toSpec, withCatalog, withoutKnownAddress } from '../../src/form/fields.js';
import { candidates, errorAt, inOrder, knownErrors, sectionsWith, withoutErrors } from '../../src/form/paths.js';
import { decodeLines, encodeLines } from '../../src/form/stopLines.js';
import { summaries } from '../../src/form/summaries.js';

const defaults = { max_tokens: 4096, max_turns: 10, retries: 2 };
const nothing = { found: null, outlines: {} };
const full = {
  name: 'Helper', prompt: 'p', task: 't', provider: 'anthropic', model: 'm1', stream: true,
  tools: [{ code: 'def a(x: int) -> int:\n    """A."""\n    return x\n' }],
  answer: 'class City(BaseModel):\n    name: str\n',
  base_url: 'http://127.0.0.1:11434/v1',
  max_tokens: 8000, thinking: 'adaptive', effort: 'high', stop_sequences: ['END', '\n\n', 'a\\n'], cache_prompt: true,
  chat: true, usage: true, max_turns: 5, token_budget: 9000, timeout_s: 2.5, retries: 0,
  mcp_servers: [
    { name: 'docs', url: 'https://example.com/mcp' },
    { name: 'files', command: ['npx', '-y', 'a b', 'c"d\\e', ''], env: ['TOKEN', 'OTHER'] },
  ],
};

describe('the form and the spec', () => {
  it('say the same', () => {
    expect(toSpec(fromSpec(full, defaults))).toEqual(full);
    expect(Object.keys(full).sort()).toEqual([...FIELDS].sort());
  });

  it('leave a field with its default empty', () => {
    expect(fromSpec({ max_tokens: 4096, retries: 3 }, defaults)).toEqual({ ...starter, retries: '3' });
  });

  it('leave out what is not set, so that the server’s defaults apply', () => {
    expect(Object.keys(toSpec(starter))).toEqual(['name', 'prompt', 'task', 'provider', 'model', 'stream']);
  });

  it('bound turns only where a task may have several', () => {
    expect(toSpec({ ...starter, max_turns: '5', token_budget: '9' })).toEqual(toSpec(starter));
    expect(toSpec({ ...starter, max_turns: '5', mcp_servers: [newServer()] }).max_turns).toBe(5);
  });

  it('pass on what is not a number, for the server to name', () => {
    expect(toSpec({ ...starter, retries: 'many', max_tokens: ' 8,192 ' })).toMatchObject({ retries: 'many', max_tokens: 8192 });
  });

  it('send a JSON Schema as its text, with every number and in its order', () => {
    for (const answer of ['{"enum": [9007199254740993]}', '{"minimum": 1.0}', '{"b": {}, "1": {}}', ' {\n"type": "object"}', '{"type": ']) {
      expect(toSpec({ ...starter, answer }).answer).toBe(answer);
    }
  });

  it('tell every field apart', () => {
    const other = fromSpec(full, defaults);
    const base = { ...starter, tools: other.tools };
    for (const field of FIELDS.filter((name) => name !== 'tools')) {
      expect(fingerprint({ ...base, [field]: other[field] }), field).not.toBe(fingerprint(base));
    }
  });

  it('leave the model of a server of one’s own alone, and what the catalog knows to the server', () => {
    const models = [{ id: 'known', base_url: 'http://own/v1' }];
    const catalog = { providers: [{ id: 'huggingface', default_model: 'known', takes_base_url: true, models }] };
    const own = { ...starter, provider: 'huggingface', model: 'mine', base_url: 'http://own/v1' };
    expect(withCatalog(own, catalog).model).toBe('mine');
    expect(withCatalog({ ...own, base_url: ' ' }, catalog).model).toBe('known');
    const [provider] = catalog.providers;
    const closed = { providers: [{ ...provider, takes_base_url: false }] };
    expect(withCatalog(own, closed)).toMatchObject({ base_url: '', model: 'known' });
    expect(withoutKnownAddress(own, catalog).base_url).toBe('http://own/v1');
    expect(withoutKnownAddress({ ...own, model: 'known' }, catalog).base_url).toBe('');
  });

  it('take nothing from a draft that is not of its kind', () => {
    const hostile = { tools: [{ code: 1 }, null, { code: 'ok' }], mcp_servers: [7, { name: [], kind: 'x' }], answer: {}, chat: 'yes' };
    const values = restoreDraft(hostile);
    expect(values.tools.map(({ code }) => code)).toEqual(['ok']);
    expect(values.mcp_servers).toMatchObject([{ name: '', kind: 'command', command: '' }]);
    expect([values.answer, values.chat]).toEqual(['', false]);
  });
});

it('reads a command as a shell would', () => {
  expect(splitCommand(' npx  -y "my server" \'a b\' c\\ d e"f g"h ')).toEqual(['npx', '-y', 'my server', 'a b', 'c d', 'ef gh']);
  for (const words of [['a'], ['a b', "it's", 'x"y'], ['', 'tab\there', 'back\\slash', 'new\nline']]) {
    expect(splitCommand(joinCommand(words))).toEqual(words);
  }
  expect(splitCommand('open "quote')).toEqual(['open', 'quote']);
});

it('writes stop sequences one a line, whatever they hold', () => {
  const sequences = ['END', '\n\n', '\\n', ' spaced ', '\t\r'];
  expect(encodeLines(sequences).split('\n')).toHaveLength(sequences.length);
  expect(decodeLines(encodeLines(sequences))).toEqual(sequences);
});

describe('errors by path', () => {
  const errors = { 'tools.1.code': 'line 3: no', effort: 'no', 'mcp_servers.0.url': 'no', name: 'no', egress: 'no' };

  it('are found at their field and at what holds it', () => {
    expect(errorAt(errors, 'tools.1')).toBe('line 3: no');
    expect(errorAt(errors, 'tools.10')).toBeUndefined();
    expect(errorAt(errors, 'tools.1.code')).toBe('line 3: no');
  });

  it('come in the order of the form, with the sections to open', () => {
    expect(inOrder(knownErrors(errors))).toEqual(['name', 'tools.1.code', 'effort', 'mcp_servers.0.url']);
    expect([...sectionsWith(knownErrors(errors))].sort()).toEqual(['mcp', 'options', 'tools']);
    expect(candidates('tools.1.code')).toEqual(['field-tools-1-code', 'field-tools-1', 'field-tools']);
  });

  it('go with what they were about, and with nothing else', () => {
    expect(Object.keys(withoutErrors(errors, ['tools.1', 'effort']))).toEqual(['mcp_servers.0.url', 'name', 'egress']);
  });
});

it('sums a section up in one line', () => {
  const of = (values, inspection = nothing) => Object.fromEntries(Object.entries(summaries).map(([id, say]) => [id, say(values, inspection)]));
  expect(of(starter)).toEqual({ tools: 'None', answer: 'Plain text', options: 'Defaults', conversation: 'Defaults', mcp: 'None' });
  const values = fromSpec(full, defaults);
  const inspection = { found: { answer_name: 'City' }, outlines: { [values.tools[0].key]: { name: 'a' } } };
  expect(of(values, inspection)).toEqual({
    tools: 'a',
    answer: 'City',
    options: 'own server, max 8,000 tokens, thinking adaptive and 3 more',
    conversation: 'chat, usage line, 5 turns and 3 more',
    mcp: 'docs, files',
  });
  expect(summaries.options({ ...starter, thinking: 'between_tools', effort: 'xhigh' })).toBe('thinking between tool calls, effort extra high');
  expect(summaries.conversation({ ...starter, tools: [newTool('')], token_budget: '1000', timeout_s: '10' })).toBe('budget 1,000 tokens, timeout 10 s');
  expect(summaries.tools({ tools: [newTool('x = 1')] }, nothing)).toBe('tool 1');
  expect(summaries.answer({ answer: '{"a": 1}' }, nothing)).toBe('JSON Schema');
});
