import { useCallback, useEffect, useRef, useState } from 'react';
import { getCatalog } from '../api/client.js';

/** @import { ApiError } from '../api/client.js' */
/** @import { Catalog } from '../api/types' */
/**
 * @typedef {object} State
 * @property {'loading' | 'ready' | 'offline' | 'error'} status
 * @property {Catalog | null} catalog the last one that was loaded
 * @property {ApiError | null} error
 */

const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 15_000;
const REFRESH_EVERY_MS = 1000;

/**
 * An unchanged catalog stays the same object: nothing is rendered again, and open lists stay open.
 * @param {Catalog | null} now
 * @param {Catalog} catalog
 */
function newer(now, catalog) {
  return JSON.stringify(now) === JSON.stringify(catalog) ? now : catalog;
}

/**
 * Calls `refresh` when the user returns to this page, perhaps after adding a key.
 * @param {() => void} refresh
 */
function useReturn(refresh) {
  useEffect(() => {
    const onVisible = () => document.visibilityState === 'visible' && refresh();
    window.addEventListener('focus', refresh);
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      window.removeEventListener('focus', refresh);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [refresh]);
}

/**
 * The catalog, and whether the server can be reached. While the server is offline the page retries by
 * itself and uses the last catalog. `refresh` loads the catalog again silently: at most once a second,
 * and a failure leaves the last one in use.
 */
export function useServer() {
  const [state, setState] = useState(/** @type {State} */ ({ status: 'loading', catalog: null, error: null }));
  const [round, setRound] = useState({ quiet: false });
  const waited = useRef(0);
  const asked = useRef(0);
  const planned = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));

  useEffect(() => {
    const abort = new AbortController();
    const { quiet } = round;
    asked.current = performance.now();
    getCatalog(abort.signal, { quiet }).then(
      (catalog) => {
        waited.current = 0;
        setState((now) => ({ status: 'ready', catalog: newer(now.catalog, catalog), error: null }));
      },
      (error) => {
        if (abort.signal.aborted || (quiet && error.code !== 'offline')) return;
        const status = error.code === 'offline' ? 'offline' : 'error';
        setState((now) => ({ ...now, status, error }));
      },
    );
    return () => abort.abort();
  }, [round]);

  const retry = useCallback(() => setRound({ quiet: false }), []);

  const ready = state.status === 'ready';
  const refresh = useCallback(() => {
    if (!ready) return; // it is being loaded already
    clearTimeout(planned.current);
    const wait = asked.current + REFRESH_EVERY_MS - performance.now();
    planned.current = setTimeout(() => setRound({ quiet: true }), Math.max(0, wait));
  }, [ready]);
  useEffect(() => () => clearTimeout(planned.current), [ready]);
  useReturn(refresh);

  useEffect(() => {
    if (state.status !== 'offline') return undefined;
    waited.current = Math.min(LONGEST_WAIT_MS, waited.current * 2 || FIRST_WAIT_MS);
    const timer = setTimeout(retry, waited.current);
    window.addEventListener('online', retry);
    return () => {
      clearTimeout(timer);
      window.removeEventListener('online', retry);
    };
  }, [state, retry]);

  /** Called when some other request found the server gone. */
  const reportOffline = useCallback((/** @type {ApiError} */ error) => {
    setState((now) => (now.status === 'offline' ? now : { ...now, status: 'offline', error }));
  }, []);

  return { ...state, retry, refresh, reportOffline };
}

/** @typedef {ReturnType<typeof useServer>} Server */
