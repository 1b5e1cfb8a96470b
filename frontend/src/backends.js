/** Why a backend can't be used with a provider; null when it can. */
function whyNot(backend, provider) {
  if (!backend) return 'This server does not offer it.';
  if (backend.id === 'provider' && provider && !provider.key_configured) return `${provider.key_env} is not set.`;
  if (!backend.available) return backend.reason ?? 'Not available on this server.';
  return null;
}

/** The three choices of "Run with" for the selected provider: `{id, label, reason}`; a reason disables. */
export function backendChoices(catalog, provider) {
  const find = (id) => catalog?.backends.find((backend) => backend.id === id);
  const providerReason = catalog ? whyNot(find('provider'), provider) : null;
  const localReason = catalog ? whyNot(find('local'), provider) : null;
  return [
    { id: 'auto', label: 'Auto', reason: providerReason && localReason ? 'Nothing here can answer an agent.' : null },
    { id: 'provider', label: 'Provider', reason: providerReason },
    { id: 'local', label: 'Local model', reason: localReason },
  ];
}

/** The choice in force: one that is no longer possible falls back to Auto. */
export function effectiveBackend(choices, wanted) {
  const choice = choices.find(({ id }) => id === wanted);
  return choice && !choice.reason ? wanted : 'auto';
}

/** Who will answer a test, in words; empty while that is not known. */
export function explainBackend(choices, chosen, provider) {
  const [auto, remote, local] = choices;
  if (!provider) return '';
  if (auto.reason) return auto.reason;
  if (chosen === 'local') return 'The built-in local model will answer: a tiny demo model, no key needed.';
  const api = `The ${provider.label} API`;
  if (chosen === 'provider') return `${api} will answer. Calls may cost money.`;
  if (!remote.reason) return `${api} will answer. Calls may cost money.`;
  return local.reason ? remote.reason : `The built-in local model will answer. ${remote.reason}`;
}

export const LOCAL_ANSWER =
  'built-in local model (tiny demo model: shows that everything works, not how good the agent is)';

export function answeredBy(run) {
  if (run.backend === 'local') return LOCAL_ANSWER;
  return run.providerLabel ? `${run.providerLabel} API` : "the provider's API";
}
