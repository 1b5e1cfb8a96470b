import { count } from '../lib/format.js';
import { choiceLabel } from './choices.js';

/** @import { Capabilities, Model } from '../api/types' */
/** @import { Values } from './fields.js' */

/**
 * The abilities of a model that the catalog knows nothing about: no choices are offered, none refused.
 * @type {Capabilities}
 */
const UNKNOWN = {
  max_output_tokens: null, thinking: null, effort: null, effort_without_thinking: null, typed_answers: null, tools: null, prompt_caching: false,
};

/**
 * What the catalog says that a model can do: null is unknown, an empty list means not supported.
 * @param {{ capabilities?: Partial<Capabilities> } | null | undefined} model
 * @returns {Capabilities}
 */
export function capabilitiesOf(model) {
  return { ...UNKNOWN, ...model?.capabilities };
}

/**
 * The model's values of `field` beside the others of the form; null where they are not known.
 * @param {'thinking' | 'effort'} field
 * @param {Pick<Values, 'thinking'>} values
 * @param {Capabilities} can
 */
function supported(field, { thinking }, can) {
  const withoutThinking = field === 'effort' && thinking && thinking !== 'adaptive' ? can.effort_without_thinking : null;
  return withoutThinking ?? can[field];
}

/**
 * The choices of `field`; the one that is set is always among them, so that it can be seen and changed.
 * @param {'thinking' | 'effort'} field
 * @param {Values} values
 * @param {Model | null} model
 * @param {Record<string, string>} known
 */
export function offered(field, values, model, known) {
  const choices = (supported(field, values, capabilitiesOf(model)) ?? []).filter((value) => value in known);
  return values[field] && !choices.includes(values[field]) ? [...choices, values[field]] : choices;
}

/**
 * "tools, typed answers, thinking": what to know at a glance; null where nothing is known.
 * @param {Model} model
 */
export function capabilityFacts(model) {
  const can = capabilitiesOf(model);
  const facts = [
    can.tools && 'tools',
    can.typed_answers && 'typed answers',
    can.thinking?.length && 'thinking',
    can.effort?.length && 'effort',
  ].filter(Boolean);
  return facts.length > 0 ? facts.join(', ') : null;
}

/**
 * The options, of those with a list of choices, that the model doesn't have.
 * @param {Values} values
 * @param {Capabilities} can
 */
function unsupported(values, can) {
  /** @type {[field: string, name: string][]} */
  const found = [];
  let { thinking } = values;
  if (thinking && supported('thinking', values, can)?.includes(thinking) === false) {
    found.push(['thinking', `thinking “${choiceLabel('thinking', thinking)}”`]);
    thinking = '';
  }
  if (values.effort && supported('effort', { thinking }, can)?.includes(values.effort) === false) {
    found.push(['effort', `effort “${choiceLabel('effort', values.effort)}”`]);
  }
  if (values.cache_prompt && !can.prompt_caching) found.push(['cache_prompt', 'prompt caching']);
  return found;
}

/**
 * Fits the options to a newly chosen model. Returns `{changed, note}`: the fields that had to change,
 * and a sentence that says so, or null. Tools and the typed answer are the user's work and stay.
 * @param {Values} values
 * @param {Model | null} model
 */
export function fitToModel(values, model) {
  if (!model) return { changed: {}, note: null };
  const can = capabilitiesOf(model);
  const removed = unsupported(values, can);
  /** @type {Record<string, string | boolean>} */
  const changed = Object.fromEntries(removed.map(([field]) => [field, field === 'cache_prompt' ? false : '']));
  const sentences = [];
  if (removed.length > 0) sentences.push(`${model.label} doesn’t support these options, so they were removed: ${removed.map(([, name]) => name).join(', ')}.`);
  const most = can.max_output_tokens;
  if (most && Number(values.max_tokens) > most) {
    changed.max_tokens = String(most);
    sentences.push(`Max tokens is now ${count(most)}, the limit of ${model.label}.`);
  }
  return { changed, note: sentences.join(' ') || null };
}

/**
 * What the model doesn't support of what is set in the form, by section; empty where it supports all.
 * @param {Values} values
 * @param {Model | null} model
 * @returns {{ tools?: string, mcp?: string, answer?: string }}
 */
export function missingAbilities(values, model) {
  if (!model) return {};
  const can = capabilitiesOf(model);
  /** @type {{ tools?: string, mcp?: string, answer?: string }} */
  const missing = {};
  if (values.tools.length > 0 && can.tools === false) missing.tools = `${model.label} doesn’t support tools. Choose another model or remove the tools.`;
  if (values.mcp_servers.length > 0 && can.tools === false) missing.mcp = `${model.label} doesn’t support tools, so it can’t use MCP servers.`;
  if (values.answer.trim() && can.typed_answers === false) {
    missing.answer = `${model.label} doesn’t support typed answers. Choose another model or remove the typed answer.`;
  }
  return missing;
}
