import { useHotkeys } from '@mantine/hooks';
import { useCallback, useEffect, useState } from 'react';

const NOT_REACHED = { title: 'Nothing was run', text: 'The server can’t be reached yet. Test again when it is back.' };
const NO_ANSWER = { title: 'Nothing was run', text: 'No model can answer here: see “Run with”.' };

/**
 * Ctrl+Enter tests from anywhere on the page. A press from before the catalog is there is kept, and
 * `waiting` says so; it ends when the server is found to be away, as nobody expects a run much later.
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
    // Not within the effect: what it starts draws the page anew.
    queueMicrotask(() => {
      setWaiting(false);
      if (!catalog) setProblem(NOT_REACHED);
      else if (backend) test();
      else setProblem(NO_ANSWER);
    });
  }, [waiting, status, catalog, backend, test, setProblem]);

  return waiting;
}
