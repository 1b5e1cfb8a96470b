import { count } from '../lib/format.js';

/** What a model can do, from the catalog. Of what nobody says, nothing is offered and nothing refused. */
const NONE = { max_output_tokens: null, typed_answers: null, tools: null, prompt_caching: false };

export function capabilitiesOf(model) {
  const { thinking, effort, effort_without_thinking: calmEffort, ...rest } = model?.capabilities ?? {};
  return { ...NONE, ...rest, thinking: thinking ?? [], effort: effort ?? [], calmEffort: calmEffort ?? effort ?? [] };
}

/** The choices of `field`; the one that is set is always among them, so that it can be seen and changed. */
export function offered(field, values, model, known) {
  const can = capabilitiesOf(model);
  const wanting = field === 'effort' && values.thinking && values.thinking !== 'adaptive' ? can.calmEffort : can[field];
  const choices = wanting.filter((value) => value in known);
  return values[field] && !choices.includes(values[field]) ? [...choices, values[field]] : choices;
}

/** "tools, typed answers, thinking": what to know at a glance; null when nobody says. */
export function capabilityFacts(model) {
  const can = capabilitiesOf(model);
  const facts = [
    can.tools && 'tools',
    can.typed_answers && 'typed answers',
    can.thinking.length > 0 && 'thinking',
    can.effort.length > 0 && 'effort',
  ].filter(Boolean);
  return facts.length > 0 ? facts.join(', ') : null;
}

/** The options, of those with a list of choices, that the model doesn't have. */
function unfit(values, can) {
  const found = [];
  if (values.thinking && !can.thinking.includes(values.thinking)) found.push(['thinking', `thinking “${values.thinking}”`]);
  if (values.effort && !can.effort.includes(values.effort)) found.push(['effort', `effort “${values.effort}”`]);
  if (values.cache_prompt && !can.prompt_caching) found.push(['cache_prompt', 'prompt caching']);
  return found;
}

/**
 * Fits the options to a newly chosen model. Returns `{changed, note}`: the fields that had to change,
 * and a sentence that says so, or null. Tools and the typed answer are work of the user's and stay.
 */
export function fitToModel(values, model) {
  if (!model?.capabilities) return { changed: {}, note: null };
  const can = capabilitiesOf(model);
  const dropped = unfit(values, can);
  const changed = Object.fromEntries(dropped.map(([field]) => [field, field === 'cache_prompt' ? false : '']));
  const sentences = [];
  if (dropped.length > 0) sentences.push(`Taken out, as ${model.label} does not have it: ${dropped.map(([, name]) => name).join(', ')}.`);
  const most = can.max_output_tokens;
  if (most && Number(values.max_tokens) > most) {
    changed.max_tokens = String(most);
    sentences.push(`Max tokens is now ${count(most)}, the most ${model.label} gives.`);
  }
  return { changed, note: sentences.join(' ') || null };
}

/** Why the model can't do what the form asks of it, by section; empty where it can. */
export function missingAbilities(values, model) {
  const can = capabilitiesOf(model);
  const missing = {};
  if (values.tools.length > 0 && can.tools === false) missing.tools = `${model.label} can’t call tools. Choose another model, or take the tools out.`;
  if (values.mcp_servers.length > 0 && can.tools === false) missing.mcp = `${model.label} can’t call tools, and so uses no MCP server.`;
  if (values.answer.trim() && can.typed_answers === false) missing.answer = `${model.label} can’t be held to a typed answer. Choose another model, or take it out.`;
  return missing;
}
