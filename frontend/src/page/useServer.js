import { useCallback, useEffect, useRef, useState } from 'react';
import { getCatalog } from '../api/client.js';

const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 15_000;
const REFRESH_EVERY_MS = 1000;

/** The same catalog again is the same object: nothing is drawn anew, and open lists stay as they are. */
function newer(now, catalog) {
  return JSON.stringify(now) === JSON.stringify(catalog) ? now : catalog;
}

/** Calls `refresh` when this page may be looked at again after something else was done, such as adding a key. */
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
 * The catalog, and whether the server can be reached: `loading`, `ready`, `offline` or `error`.
 * While it is offline it is asked again by itself, and the last catalog stays in use. `refresh` brings
 * it up to date without a word: at most once a second, and a failure leaves the last one in use.
 */
export function useServer() {
  const [state, setState] = useState({ status: 'loading', catalog: null, error: null });
  const [round, setRound] = useState({ quiet: false });
  const waited = useRef(0);
  const asked = useRef(0);
  const planned = useRef(0);

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
        setState((now) => ({ ...now, status, error, at: round }));
      },
    );
    return () => abort.abort();
  }, [round]);

  const retry = useCallback(() => setRound({ quiet: false }), []);

  const ready = state.status === 'ready';
  const refresh = useCallback(() => {
    if (!ready) return; // it is being asked for already, aloud
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
  const reportOffline = useCallback((error) => {
    setState((now) => (now.status === 'offline' ? now : { ...now, status: 'offline', error }));
  }, []);

  return { ...state, retry, refresh, reportOffline };
}
