import { capitalized } from '../lib/format.js';

/** Why a backend can't be used; null when it can. */
function whyNot(backend, answerer) {
  if (!backend) return 'This server does not offer it.';
  if (backend.id === 'provider' && answerer?.reason) return answerer.reason;
  if (!backend.available) return backend.reason ?? 'Not available on this server.';
  return null;
}

/** The three choices of "Run with", given answererOf the form: `{id, label, reason}`; a reason disables. */
export function backendChoices(catalog, answerer) {
  const find = (id) => catalog?.backends.find((backend) => backend.id === id);
  const providerReason = catalog ? whyNot(find('provider'), answerer) : null;
  const localReason = catalog ? whyNot(find('local'), answerer) : null;
  return [
    { id: 'auto', label: 'Auto', reason: providerReason && localReason ? 'Nothing here can answer an agent.' : null },
    { id: 'provider', label: answerer?.own ? 'Your server' : 'Provider', reason: providerReason },
    { id: 'local', label: 'Local model', reason: localReason },
  ];
}

/** The choice in force: a provider that is no longer possible falls back to Auto. */
export function effectiveBackend(choices, wanted) {
  const choice = choices.find(({ id }) => id === wanted);
  // Who chose the local model is never moved to one that costs money: that choice stays, and says why not.
  return choice && (!choice.reason || wanted === 'local') ? wanted : 'auto';
}

/**
 * What a test runs on: `provider`, `local`, or null when nothing can answer. Auto is settled here and
 * not by the server, so that what runs is what the page said, also when a key appeared meanwhile.
 */
export function resolveBackend(choices, chosen) {
  const order = chosen === 'auto' ? ['provider', 'local'] : [chosen];
  return order.find((wanted) => choices.some(({ id, reason }) => id === wanted && !reason)) ?? null;
}

/** The same in a few words, for beside the button. */
export function nameBackend(backend, answerer) {
  if (!backend) return '';
  if (backend === 'local') return 'Runs on the local model.';
  return answerer.own ? `Runs on ${answerer.name}.` : `Runs on the ${answerer.name}, which may cost money.`;
}

/** Who will answer a test, in words; empty while that is not known. */
export function explainBackend(choices, chosen, answerer) {
  const [auto, remote, local] = choices;
  if (!answerer) return '';
  const backend = resolveBackend(choices, chosen);
  if (backend === 'provider') {
    return answerer.own ? `${capitalized(answerer.name)} will answer.` : `The ${answerer.name} will answer. Calls may cost money.`;
  }
  if (!backend) return chosen === 'local' ? `Local model: ${local.reason}` : (answerer.own && remote.reason) || auto.reason;
  if (chosen === 'local') return 'The built-in local model will answer: a tiny demo model, no key needed.';
  return `The built-in local model will answer. ${remote.reason}`;
}

// What server/local_model/service.py allows.
export const LOCAL_BOUND = "The built-in model's answers are bounded at 256 tokens.";

export const LOCAL_ANSWER =
  'built-in local model (tiny demo model: shows that everything works, not how good the agent is)';

export function answeredBy(run) {
  if (run.backend === 'local') return LOCAL_ANSWER;
  if (run.backend === 'replay') return 'a recording';
  return run.answerer || "the provider's API";
}
