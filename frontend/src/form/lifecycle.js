/** The models still offered by their provider first; otherwise in the order given. */
export function retiredLast(models) {
  const retired = (model) => model.lifecycle === 'retired';
  return [...models.filter((model) => !retired(model)), ...models.filter(retired)];
}

/** What to know before choosing a model; null for one in good standing. */
export function lifecycleWarning({ lifecycle, retires_on: date }) {
  const on = date ? ` on ${date}` : '';
  if (lifecycle === 'retired') {
    return `Retired by its provider${on}: the file will be written, but calls to the provider will fail.`;
  }
  if (lifecycle === 'deprecated') {
    return `Deprecated by its provider${date ? `, to be retired${on}` : ''}: choose a current model for an agent that should last.`;
  }
  return null;
}

/** When the provider was last asked for its models, in the reader's own time; null before that. */
export function listedAt({ refreshed_at: seconds }) {
  if (typeof seconds !== 'number') return null;
  return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** Why the list of models may be out of date; null when nothing went wrong. */
export function staleList(provider) {
  if (!provider?.refresh_note) return null;
  const from = listedAt(provider);
  const shown = from ? `the list is from ${from}` : 'the list is the one that ships with the builder';
  return `New models could not be looked up (${provider.refresh_note}); ${shown}.`;
}
