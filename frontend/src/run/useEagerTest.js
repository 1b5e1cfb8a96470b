import { useHotkeys } from '@mantine/hooks';
import { useCallback, useEffect, useState } from 'react';

/** @import { Backend } from '../form/backends.js' */
/** @import { Builder } from '../form/useBuilder.js' */
/** @import { Server } from '../page/useServer.js' */

const NOT_REACHED = { title: 'Test not started', text: 'Can’t reach the server. Test again when it is back.' };
const NO_ANSWER = { title: 'Test not started', text: 'No model is available: see “Run with”.' };

/**
 * Ctrl+Enter tests from anywhere on the page. A press before the catalog has loaded starts the test later,
 * and `waiting` says so; it is dropped when the server can't be reached, as nobody expects a run much later.
 * @param {{ server: Server, builder: Builder, backend: Backend | null }} page
 */
export function useEagerTest({ server, builder, backend }) {
  const [waiting, setWaiting] = useState(false);
  const { status, catalog } = server;
  const { test, setProblem } = builder;

  const press = useCallback(() => {
    if (catalog) test();
    else if (status === 'loading') setWaiting(true);
    else setProblem(NOT_REACHED);
  }, [catalog, status, test, setProblem]);
  useHotkeys([['mod+Enter', press]], []);

  useEffect(() => {
    if (!waiting || (status === 'loading' && !catalog)) return;
    // Not within the effect: the test renders the page again.
    queueMicrotask(() => {
      setWaiting(false);
      if (!catalog) setProblem(NOT_REACHED);
      else if (backend) test();
      else setProblem(NO_ANSWER);
    });
  }, [waiting, status, catalog, backend, test, setProblem]);

  return waiting;
}
