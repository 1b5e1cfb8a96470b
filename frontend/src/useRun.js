import { useCallback, useEffect, useRef, useState } from 'react';
import * as api from './api.js';
import { followRun } from './followRun.js';
import { applyEvents, idleRun, isActive } from './runState.js';

/** Collects events and hands them over once a frame, so that a talkative run never redraws per event. */
function createBatcher(deliver) {
  let pending = [];
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    const batch = pending;
    pending = [];
    if (batch.length > 0) deliver(batch);
  };
  return {
    flush,
    push(event) {
      pending.push(event);
      if (scheduled) return;
      scheduled = true;
      // Frames don't come while the tab is in the background.
      if (document.hidden) setTimeout(flush, 250);
      else requestAnimationFrame(flush);
    },
  };
}

/**
 * The life of one run at a time: `begin` shows that something is coming, `start` sends the program
 * and follows its events, `stop` cancels it, `clear` forgets it.
 */
export function useRun() {
  const [run, setRun] = useState(idleRun);
  const live = useRef(null); // {abort, id, stopWanted}: what the present run's callbacks may touch

  const leave = useCallback(() => {
    live.current?.abort.abort();
    live.current = null;
  }, []);
  useEffect(() => leave, [leave]);

  const begin = useCallback(
    (providerLabel) => {
      leave();
      live.current = { abort: new AbortController(), id: null, stopWanted: false, text: [] };
      setRun({ ...idleRun, status: 'starting', providerLabel });
      return live.current;
    },
    [leave],
  );

  const clear = useCallback(() => {
    leave();
    setRun(idleRun);
  }, [leave]);

  const cancel = useCallback(async (mine) => {
    try {
      await api.cancelRun(mine.id);
    } catch (error) {
      // 404 and 409: it has ended meanwhile, and its exit event is on the way.
      if (error.status === 404 || error.status === 409 || live.current !== mine) return;
      setRun((now) => ({ ...now, stopping: false, problem: `The run could not be stopped. ${error.message}` }));
    }
  }, []);

  const stop = useCallback(() => {
    const mine = live.current;
    if (!mine || mine.stopWanted) return;
    mine.stopWanted = true;
    setRun((now) => (isActive(now) ? { ...now, stopping: true, problem: null } : now));
    // Without an id the request is still on its way; start() sees the wish once it has one.
    if (mine.id) cancel(mine).finally(() => (mine.stopWanted = false));
  }, [cancel]);

  const follow = useCallback(async (mine) => {
    const update = (change) => live.current === mine && setRun(change);
    const batcher = createBatcher((events) => {
      const now = performance.now();
      update((run) => applyEvents(run, events, now));
    });
    const onEvent = (event) => {
      if (event.type === 'output') mine.text.push(event.text);
      batcher.push(event);
    };
    const onConnection = (connection) => update((run) => ({ ...run, connection }));
    try {
      await followRun({ api, id: mine.id, signal: mine.abort.signal, onEvent, onConnection });
      batcher.flush();
    } catch (error) {
      batcher.flush();
      update((run) => ({ ...run, status: 'failed', connection: 'open', stopping: false, problem: lossText(error) }));
    }
  }, []);

  /** Sends the program. Throws an ApiError when the server does not take it. */
  const start = useCallback(
    async (mine, { code, task, backend }) => {
      if (mine.stopWanted) return clear();
      const { id } = await api.createRun({ code, task, backend });
      mine.id = id;
      if (mine.stopWanted) cancel(mine);
      if (live.current !== mine) return undefined;
      setRun((now) => ({ ...now, status: 'queued', id }));
      return follow(mine);
    },
    [cancel, clear, follow],
  );

  /** Everything the run has printed so far, also what is no longer shown. */
  const fullOutput = useCallback(() => live.current?.text.join('') ?? '', []);

  return { run, begin, start, stop, clear, fullOutput };
}

function lossText(error) {
  if (error.status === 404) return 'The server no longer knows this run. It may have been restarted.';
  if (error.code === 'offline') return 'The connection was lost and could not be restored. How the run ended is not known.';
  return `The run could not be followed. ${error.message}`;
}
