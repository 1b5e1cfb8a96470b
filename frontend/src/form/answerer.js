/** @import { Answerer, InspectResponse, Provider } from '../api/types' */
/** @import { Values } from './fields.js' */

/**
 * The API or model server that would answer the form's agent, as the server says; `reason` says why it can't.
 * Null while that is not known: before the catalog has loaded, and while a typed address is being looked up.
 * @param {Values} values
 * @param {Provider | null} provider
 * @param {{ base_url: string, found: InspectResponse | null }} inspected
 * @returns {Answerer | null}
 */
export function answererOf(values, provider, inspected) {
  if (!provider) return null;
  if (values.base_url.trim()) return inspected.base_url === values.base_url ? (inspected.found?.answerer ?? null) : null;
  const address = provider.models.find(({ id }) => id === values.model)?.base_url;
  if (!address) return provider.answerer;
  return provider.servers.find(({ base_url: listed }) => listed === address)?.answerer ?? null;
}
