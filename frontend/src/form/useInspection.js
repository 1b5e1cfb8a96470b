import { useEffect, useMemo, useState } from 'react';
import { inspect } from '../api/client.js';

/** @import { Catalog, InspectRequest, InspectResponse } from '../api/types' */
/** @import { Values } from './fields.js' */
/** @typedef {InspectResponse['tools'][number]} Outline */
/**
 * @typedef {object} Inspection
 * @property {string} base_url the typed address that `found` is about
 * @property {InspectResponse | null} found null until the server has answered
 * @property {Record<number, Outline>} outlines by the tools' keys
 */

const DELAY_MS = 150;

/** @type {Inspection} */
const NOTHING = { base_url: '', found: null, outlines: {} };

/**
 * What the server has to look at; null where the form has nothing of the kind.
 * @param {Values} values
 * @returns {{ draft: InspectRequest, keys: number[] } | null}
 */
function questionOf({ provider, base_url, tools, answer, mcp_servers: servers }) {
  const urls = servers.filter(({ kind, url }) => kind === 'url' && url.trim());
  if (!provider || !(base_url.trim() || answer.trim() || tools.length > 0 || urls.length > 0)) return null;
  const draft = {
    provider: /** @type {InspectRequest['provider']} */ (provider),
    base_url,
    tools: tools.map(({ code }) => code),
    answer,
    mcp_servers: urls.map(({ name, url }) => ({ name, url })),
  };
  return { draft, keys: tools.map(({ key }) => key) };
}

/**
 * What the server sees in the form as typed so far: names of tools, the hosts they list, who answers at a typed
 * address. Lags behind typing for a moment; asked again when the catalog, and so a key, has changed.
 * @param {Values} values
 * @param {Catalog | null} catalog
 */
export function useInspection(values, catalog) {
  const [latest, setLatest] = useState(NOTHING);
  const question = useMemo(() => JSON.stringify(questionOf(values)), [values]);

  useEffect(() => {
    const asked = /** @type {ReturnType<typeof questionOf>} */ (JSON.parse(question));
    if (!asked || !catalog) return undefined;
    const abort = new AbortController();
    const show = (/** @type {InspectResponse} */ found) => {
      const outlines = Object.fromEntries(asked.keys.map((key, index) => [key, found.tools[index]]));
      setLatest({ base_url: asked.draft.base_url ?? '', found, outlines });
    };
    // A failure leaves the notes as they are: the next change asks again.
    const timer = setTimeout(() => inspect(asked.draft, abort.signal).then(show, () => {}), DELAY_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [question, catalog]);

  return question === 'null' ? NOTHING : latest;
}
