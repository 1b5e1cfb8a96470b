import { useCallback, useState } from 'react';

/** @import { Catalog } from '../api/types' */

/** @type {string[]} */
const NONE = [];

/**
 * The hosts that the next test may reach, of those that the server allows; none at first.
 * @param {Catalog | null} catalog
 */
export function useHosts(catalog) {
  const allowed = catalog?.egress.allowed ?? NONE;
  const [wanted, setWanted] = useState(NONE);
  const toggle = useCallback(
    (/** @type {string} */ host, /** @type {boolean} */ on) => setWanted((now) => (on ? [...now, host] : now.filter((other) => other !== host))),
    [],
  );
  return { allowed, granted: allowed.filter((host) => wanted.includes(host)), toggle, wanted, setWanted };
}

/** @typedef {ReturnType<typeof useHosts>} Hosts */
