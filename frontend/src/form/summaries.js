import { count } from '../lib/format.js';
import { choiceLabel } from './choices.js';
import { takesTurns } from './fields.js';

/** @import { Values } from './fields.js' */
/** @import { Inspection } from './useInspection.js' */

/** One line for each closed section: what is set in it. Pure. */

/** @param {string[]} names */
function list(names, most = 3) {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/**
 * The number as people write it; text that isn't a number, as typed.
 * @param {string} text
 */
function amount(text) {
  const number = Number(text.replaceAll(',', ''));
  return Number.isFinite(number) ? count(number) : text;
}

/** @param {(string | false)[]} parts */
const settings = (parts) => list(parts.filter((part) => part !== false)) || 'Defaults';

export const summaries = {
  tools(/** @type {Values} */ { tools }, /** @type {Inspection} */ { outlines }) {
    if (tools.length === 0) return 'None';
    return list(tools.map(({ key }, index) => outlines[key]?.name ?? `tool ${index + 1}`));
  },

  answer(/** @type {Values} */ { answer }, /** @type {Inspection} */ { found }) {
    if (!answer.trim()) return 'Plain text';
    return found?.answer_name ?? (answer.trimStart().startsWith('{') ? 'JSON Schema' : 'Set');
  },

  options(/** @type {Values} */ { base_url: address, max_tokens: tokens, thinking, effort, stop_sequences: stops, cache_prompt: caching }) {
    return settings([
      address.trim() !== '' && 'own server',
      tokens.trim() !== '' && `max ${amount(tokens)} tokens`,
      thinking !== '' && `thinking ${choiceLabel('thinking', thinking).toLowerCase()}`,
      effort !== '' && `effort ${choiceLabel('effort', effort).toLowerCase()}`,
      stops !== '' && 'stop sequences',
      caching && 'prompt caching',
    ]);
  },

  conversation(/** @type {Values} */ values) {
    return settings([
      values.chat && 'chat',
      values.usage && 'usage line',
      takesTurns(values) && values.max_turns.trim() !== '' && `${amount(values.max_turns)} turns`,
      takesTurns(values) && values.token_budget.trim() !== '' && `budget ${amount(values.token_budget)} tokens`,
      values.timeout_s.trim() !== '' && `timeout ${amount(values.timeout_s)} s`,
      values.retries.trim() !== '' && `${amount(values.retries)} retries`,
    ]);
  },

  mcp: (/** @type {Values} */ { mcp_servers: servers }) => (servers.length === 0 ? 'None' : list(servers.map(({ name }) => name.trim() || 'unnamed'))),
};
