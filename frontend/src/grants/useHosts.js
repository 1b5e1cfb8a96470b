import { useCallback, useState } from 'react';

const NONE = [];

/** The hosts that the next test may reach, of those that the server's owner allows; none at first. */
export function useHosts(catalog) {
  const allowed = catalog?.egress?.allowed ?? NONE;
  const [wanted, setWanted] = useState(NONE);
  const toggle = useCallback(
    (host, on) => setWanted((now) => (on ? [...now, host] : now.filter((other) => other !== host))),
    [],
  );
  return { allowed, granted: allowed.filter((host) => wanted.includes(host)), toggle, wanted, setWanted };
}
