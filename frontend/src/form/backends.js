import { capitalized } from '../lib/format.js';

/** @import { Answerer, Catalog } from '../api/types' */
/** @typedef {'auto' | 'provider' | 'local'} Choice */
/** @typedef {'provider' | 'local'} Backend */
/** @typedef {{ id: Choice, label: string, reason: string | null }} BackendChoice */

/**
 * The three choices of "Run with" for a form's answerer; a reason disables one.
 * @param {Catalog | null} catalog
 * @param {Answerer | null} answerer
 * @returns {BackendChoice[]}
 */
export function backendChoices(catalog, answerer) {
  const providerReason = answerer ? answerer.reason : catalog && 'Enter a complete address.';
  const localReason = catalog?.backends.find(({ id }) => id === 'local')?.reason ?? null;
  return [
    { id: 'auto', label: 'Auto', reason: providerReason && localReason ? 'No model is available to run this agent.' : null },
    { id: 'provider', label: answerer?.own ? 'Your server' : 'Provider', reason: providerReason },
    { id: 'local', label: 'Local model', reason: localReason },
  ];
}

/**
 * The choice in effect: a provider that is no longer available falls back to Auto.
 * @param {BackendChoice[]} choices
 * @param {Choice} wanted
 * @returns {Choice}
 */
export function effectiveBackend(choices, wanted) {
  const choice = choices.find(({ id }) => id === wanted);
  // A user who chose the local model is never moved to one that costs money: that choice stays, with its reason.
  return choice && (!choice.reason || wanted === 'local') ? wanted : 'auto';
}

/**
 * What a test runs on: `provider`, `local`, or null when nothing is available. The page resolves Auto, not
 * the server, so that a test runs on what the page said, also when a key was added meanwhile.
 * @param {BackendChoice[]} choices
 * @param {Choice} chosen
 * @returns {Backend | null}
 */
export function resolveBackend(choices, chosen) {
  /** @type {Backend[]} */
  const order = chosen === 'auto' ? ['provider', 'local'] : [chosen];
  return order.find((wanted) => choices.some(({ id, reason }) => id === wanted && !reason)) ?? null;
}

/**
 * The same in a few words, shown beside the button.
 * @param {Backend | null} backend
 * @param {Answerer | null} answerer
 */
export function nameBackend(backend, answerer) {
  if (!backend) return '';
  if (backend === 'local' || !answerer) return 'Runs on the local model.';
  return answerer.own ? `Runs on ${answerer.name}.` : `Runs on the ${answerer.name}, which may cost money.`;
}

/**
 * Says what will answer a test; empty until the catalog has loaded.
 * @param {BackendChoice[]} choices
 * @param {Choice} chosen
 * @param {Answerer | null} answerer
 */
export function explainBackend(choices, chosen, answerer) {
  const [auto, remote, local] = choices;
  const backend = resolveBackend(choices, chosen);
  if (!answerer && !remote.reason) return '';
  if (backend === 'provider' && answerer) {
    return answerer.own ? `${capitalized(answerer.name)} will answer.` : `The ${answerer.name} will answer. Calls may cost money.`;
  }
  if (!backend) return chosen === 'local' ? `Local model: ${local.reason}` : (answerer?.own && remote.reason) || auto.reason;
  if (chosen === 'local') return 'The built-in local model will answer: a tiny demo model that needs no key.';
  return `The built-in local model will answer. ${remote.reason}`;
}
