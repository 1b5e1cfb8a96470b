import { OWN_SERVER_PROVIDER } from './fields.js';

/** The setting that lists the servers of the user's own: server/settings.py. */
export const SERVERS_SETTING = 'AGENT_BUILDER_MODEL_SERVERS';

/** An address as the server writes it, with /v1 at its end: llm_agent_builder/validation/base_urls.py. */
export function usualAddress(text) {
  const address = text.trim().replace(/\/+$/, '').replace(/\/chat\/completions$/, '');
  return address === '' || address.endsWith('/v1') ? address : `${address}/v1`;
}

/** The address that the agent calls in place of its provider: the form's own or its model's; null for none. */
function ownAddress({ base_url: typed, model }, provider) {
  if (provider.id !== OWN_SERVER_PROVIDER) return null;
  const known = provider.models.find(({ id }) => id === model)?.base_url;
  return usualAddress(typed) || known || null;
}

function whyNotServer(address, server) {
  if (!server) return `${address} isn’t in ${SERVERS_SETTING}: list it there to test agents against it.`;
  return server.key_configured ? null : `${address} needs a key, and ${server.key_env} is not set.`;
}

/**
 * Who is to answer the form's agent, the built-in model aside: `{own, name, reason}`, where a reason says
 * why it can't. The same rules as server/runs/backends.py's. Null before the catalog is there.
 */
export function answererOf(values, provider) {
  if (!provider) return null;
  const address = ownAddress(values, provider);
  if (address === null) {
    const reason = provider.key_configured ? null : `${provider.key_env} is not set.`;
    return { own: false, name: `${provider.label} API`, reason };
  }
  const server = provider.servers?.find(({ base_url: listed }) => listed === address);
  return { own: true, name: `your server ${address}`, reason: whyNotServer(address, server) };
}
