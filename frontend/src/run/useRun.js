import { useCallback, useEffect, useRef, useState } from 'react';
import * as api from '../api/client.js';
import { followRun } from '../api/followRun.js';
import { forgetRun, keepRun, keptRun } from '../lib/tabState.js';
import { applyEvents, idleRun, isActive, restoredRun } from './runState.js';

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

/** What a run's callbacks may touch while it is the one on the page. */
function newRun(answerer) {
  return { id: null, answerer, abort: new AbortController(), stopWanted: false, text: [] };
}

/**
 * The run on the page: `launch` starts one, `resume` takes up the one from before a reload, `stop`
 * cancels. The run before stays on the page until the server has accepted the next: `starting`.
 */
export function useRun() {
  const [run, setRun] = useState(() => (keptRun() ? { ...idleRun, status: 'restoring' } : idleRun));
  const [starting, setStarting] = useState(false);
  const live = useRef(null);
  const coming = useRef(null);

  const show = useCallback((mine, state) => {
    if (live.current !== mine) live.current?.abort.abort();
    live.current = mine;
    if (state) setRun(state);
  }, []);
  useEffect(() => () => show(null), [show]);

  const cancel = useCallback(async (mine) => {
    try {
      await api.cancelRun(mine.id);
    } catch (error) {
      // 404 and 409: it has ended meanwhile, and its exit event is on the way.
      if (error.status === 404 || error.status === 409 || live.current !== mine) return;
      setRun((now) => ({ ...now, stopping: false, problem: `The run could not be stopped. ${error.message}` }));
    } finally {
      mine.stopWanted = false;
    }
  }, []);

  const stop = useCallback(() => {
    const mine = coming.current ?? live.current;
    if (!mine || mine.stopWanted) return;
    mine.stopWanted = true;
    // Without an id the request is still on its way; launch() sees the wish once it has one.
    if (!mine.id) return;
    setRun((now) => (isActive(now) ? { ...now, stopping: true, problem: null } : now));
    cancel(mine);
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
      update((run) => ({ ...run, status: 'lost', connection: 'open', stopping: false, problem: lossText(error) }));
    }
  }, []);

  /**
   * Starts what `prepare` resolves to, `{code, task, backend, files, egress}`; null means that there is nothing to
   * start. Throws an ApiError when the server does not take it.
   */
  const launch = useCallback(
    async (prepare, answerer) => {
      const mine = newRun(answerer);
      coming.current = mine;
      setStarting(true);
      try {
        const program = await prepare();
        if (!program || mine.stopWanted) return;
        mine.id = (await api.createRun(program)).id;
        keepRun(mine);
        show(mine, { ...idleRun, status: 'queued', id: mine.id, code: program.code, answerer, stopping: mine.stopWanted });
      } finally {
        coming.current = null;
        setStarting(false);
      }
      if (mine.stopWanted) cancel(mine);
      follow(mine);
    },
    [cancel, follow, show],
  );

  /** Resolves to the record of the run taken up again, with its code, or to null. */
  const resume = useCallback(async () => {
    const kept = keptRun();
    if (!kept || live.current || coming.current) return null;
    const mine = { ...newRun(kept.answerer), id: kept.id };
    show(mine);
    try {
      const record = await api.getRun(kept.id, mine.abort.signal);
      if (live.current !== mine) return null;
      const age = Date.now() - Date.parse(record.created_at);
      show(mine, restoredRun(kept, record, age, performance.now()));
      follow(mine);
      return record;
    } catch (error) {
      if (live.current !== mine) return null;
      show(null, afterFailedResume(error));
      if (error.status === 404) forgetRun();
      throw error;
    }
  }, [follow, show]);

  /** Everything the run has printed so far, also what is no longer shown. */
  const fullOutput = useCallback(() => live.current?.text.join('') ?? '', []);

  return { run, starting, launch, resume, stop, fullOutput };
}

/** Undefined while offline: it stays `restoring`, to be tried again once the server is there. */
function afterFailedResume(error) {
  if (error.code === 'offline') return undefined;
  return error.status === 404 ? idleRun : { ...idleRun, status: 'lost', problem: lossText(error) };
}

function lossText(error) {
  if (error.status === 404) return 'The server no longer knows this run.';
  if (error.code === 'offline') return 'The connection could not be restored: how the run ended is not known. Reload the page to look again.';
  return `The run could not be followed. ${error.message}`;
}
