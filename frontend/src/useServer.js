import { useCallback, useEffect, useRef, useState } from 'react';
import { getCatalog } from './api.js';

const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 15_000;

/**
 * The catalog, and whether the server can be reached: `loading`, `ready`, `offline` or `error`.
 * While it is offline it is asked again by itself, and the last catalog stays in use.
 */
export function useServer() {
  const [state, setState] = useState({ status: 'loading', catalog: null, error: null });
  const [round, setRound] = useState(0);
  const waited = useRef(0);

  useEffect(() => {
    const abort = new AbortController();
    getCatalog(abort.signal).then(
      (catalog) => {
        waited.current = 0;
        setState({ status: 'ready', catalog, error: null });
      },
      (error) => {
        if (abort.signal.aborted) return;
        const status = error.code === 'offline' ? 'offline' : 'error';
        setState((now) => ({ ...now, status, error, at: round }));
      },
    );
    return () => abort.abort();
  }, [round]);

  const retry = useCallback(() => setRound((n) => n + 1), []);

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

  return { ...state, retry, reportOffline };
}
