import { useCallback } from 'react';
import { noFiles } from './files.js';
import { useFiles } from './useFiles.js';
import { useHosts } from './useHosts.js';

/**
 * What a test gives its agent beyond the file: `given` files and `hosts`. They were given to the agent
 * in the form: `withdraw` takes them all back before another comes there, and returns what `restore`,
 * for an undo, takes.
 */
export function useGrants(catalog) {
  const given = useFiles(catalog?.files);
  const hosts = useHosts(catalog);
  const { swap } = given;
  const { wanted, setWanted } = hosts;
  const restore = useCallback(
    (grants) => {
      swap(grants.files);
      setWanted(grants.hosts);
    },
    [swap, setWanted],
  );
  const withdraw = useCallback(() => {
    setWanted([]);
    return { files: swap(noFiles), hosts: wanted };
  }, [swap, wanted, setWanted]);
  return { given, hosts, withdraw, restore };
}
