import { useCallback } from 'react';
import { noFiles } from './files.js';
import { useFiles } from './useFiles.js';
import { useHosts } from './useHosts.js';

/** @import { Catalog } from '../api/types' */
/** @import { GivenFile } from './files.js' */
/** @typedef {{ hosts: string[], files: GivenFile[] }} Grants */

/**
 * What a test gives its agent beyond its own file: `given` files and `hosts`. They belong to the agent in the form:
 * `withdraw` removes them before another agent is loaded, and returns them for `restore`, on undo.
 * @param {Catalog | null} catalog
 */
export function useGrants(catalog) {
  const given = useFiles(catalog?.files);
  const hosts = useHosts(catalog);
  const { swap } = given;
  const { wanted, setWanted } = hosts;
  const restore = useCallback(
    (/** @type {Grants} */ grants) => {
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
