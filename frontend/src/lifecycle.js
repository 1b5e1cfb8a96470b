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
