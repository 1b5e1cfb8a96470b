import { takesTurns } from './fields.js';
import { count } from '../lib/format.js';
import { answerName, toolName } from '../editor/toolCode.js';

/** One line for each closed section: what is set in it. Pure. */

function list(names, most = 3) {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** The number as people write it; what isn't one, as it was typed. */
function amount(text) {
  const number = Number(text.replaceAll(',', ''));
  return Number.isFinite(number) ? count(number) : text;
}

export const summaries = {
  tools: ({ tools }) => (tools.length === 0 ? 'None' : list(tools.map(({ code }) => toolName(code) ?? 'unnamed'))),

  answer({ answer }) {
    if (!answer.trim()) return 'Plain text';
    return answerName(answer) ?? (answer.trimStart().startsWith('{') ? 'JSON Schema' : 'Set');
  },

  options({ base_url: address, max_tokens: tokens, thinking, effort, stop_sequences: stops, cache_prompt: caching }) {
    const parts = [
      address.trim() && 'own server',
      tokens.trim() && `${amount(tokens)} tokens`,
      thinking && `thinking ${thinking}`,
      effort && `effort ${effort}`,
      stops && 'stop sequences',
      caching && 'prompt caching',
    ].filter(Boolean);
    return list(parts) || 'Defaults';
  },

  conversation(values) {
    const parts = [
      values.chat && 'chat',
      values.usage && 'usage line',
      takesTurns(values) && values.max_turns.trim() && `${amount(values.max_turns)} turns`,
      takesTurns(values) && values.token_budget.trim() && `${amount(values.token_budget)} tokens`,
      values.timeout_s.trim() && `${amount(values.timeout_s)} s`,
      values.retries.trim() && `${amount(values.retries)} retries`,
    ].filter(Boolean);
    return list(parts) || 'Defaults';
  },

  mcp: ({ mcp_servers: servers }) => (servers.length === 0 ? 'None' : list(servers.map(({ name }) => name.trim() || 'unnamed'))),
};
