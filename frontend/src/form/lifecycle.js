/** @import { Model, Provider } from '../api/types' */

/**
 * The models still offered by their provider first; otherwise in the order given.
 * @template {Pick<Model, 'lifecycle'>} M
 * @param {readonly M[]} models
 */
export function retiredLast(models) {
  const retired = (/** @type {M} */ model) => model.lifecycle === 'retired';
  return [...models.filter((model) => !retired(model)), ...models.filter(retired)];
}

/**
 * A warning about a model that is retired or will be; null for a current one.
 * @param {Pick<Model, 'lifecycle' | 'retires_on'>} model
 */
export function lifecycleWarning({ lifecycle, retires_on: date }) {
  const on = date ? ` on ${date}` : '';
  if (lifecycle === 'retired') {
    return `Retired by its provider${on}. The file can be generated, but calls to the provider will fail.`;
  }
  if (lifecycle === 'deprecated') {
    return `This model is deprecated${date ? ` and will be retired${on}` : ''}. Choose another model if you want to keep using this agent.`;
  }
  return null;
}

/**
 * When the provider last listed its models, in the reader's own time; null if never.
 * @param {Pick<Provider, 'refreshed_at'>} provider
 */
export function listedAt({ refreshed_at: seconds }) {
  if (typeof seconds !== 'number') return null;
  return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/**
 * Says that the list of models may be out of date, and why; null when nothing went wrong.
 * @param {Pick<Provider, 'refreshed_at' | 'refresh_note'> | null} provider
 */
export function staleList(provider) {
  if (!provider?.refresh_note) return null;
  const from = listedAt(provider);
  const shown = from ? `showing the list from ${from}` : 'showing the built-in list';
  return `Can’t look up new models (${provider.refresh_note}); ${shown}.`;
}
