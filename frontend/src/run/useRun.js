import { useCallback, useEffect, useRef, useState } from 'react';
import * as api from '../api/client.js';
import { asApiError } from '../api/client.js';
import { followRun } from '../api/followRun.js';
import { forgetRun, storedRun, storeRun } from '../lib/tabState.js';
import { applyEvents, idleRun, isActive, restoredRun } from './runState.js';

/** @import { ApiError, Program } from '../api/client.js' */
/** @import { RunEvent } from '../api/types' */
/** @import { Run } from './runState.js' */
/**
 * @typedef {object} LiveRun what a run's callbacks may change while it is the one on the page
 * @property {string | null} id
 * @property {string} answerer
 * @property {AbortController} abort
 * @property {boolean} stopWanted
 * @property {string[]} text everything it has printed
 */

/**
 * Collects events and delivers them once per frame, so that a run with many events doesn't redraw for each.
 * @param {(events: RunEvent[]) => void} deliver
 */
function createBatcher(deliver) {
  /** @type {RunEvent[]} */
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
    push(/** @type {RunEvent} */ event) {
      pending.push(event);
      if (scheduled) return;
      scheduled = true;
      // There are no frames while the tab is in the background.
      if (document.hidden) setTimeout(flush, 250);
      else requestAnimationFrame(flush);
    },
  };
}

/**
 * @param {string} answerer
 * @returns {LiveRun}
 */
function newRun(answerer) {
  return { id: null, answerer, abort: new AbortController(), stopWanted: false, text: [] };
}

/**
 * The run on the page: `launch` starts one, `resume` follows the one from before a reload, `stop`
 * cancels. The previous run stays on the page until the server has accepted the next: `starting`.
 */
export function useRun() {
  const [run, setRun] = useState(() => /** @type {Run} */ (storedRun() ? { ...idleRun, status: 'restoring' } : idleRun));
  const [starting, setStarting] = useState(false);
  const live = useRef(/** @type {LiveRun | null} */ (null));
  const coming = useRef(/** @type {LiveRun | null} */ (null));

  const show = useCallback((/** @type {LiveRun | null} */ mine, /** @type {Run | undefined} */ state) => {
    if (live.current !== mine) live.current?.abort.abort();
    live.current = mine;
    if (state) setRun(state);
  }, []);
  useEffect(() => () => show(null, undefined), [show]);

  const cancel = useCallback(async (/** @type {LiveRun} */ mine, /** @type {string} */ id) => {
    try {
      await api.cancelRun(id);
    } catch (thrown) {
      const error = asApiError(thrown);
      // 404 and 409: it has already ended, and its exit event is on the way.
      if (error.status === 404 || error.status === 409 || live.current !== mine) return;
      setRun((now) => ({ ...now, stopping: false, problem: `Can’t stop the run. ${error.message}` }));
    } finally {
      mine.stopWanted = false;
    }
  }, []);

  const stop = useCallback(() => {
    const mine = coming.current ?? live.current;
    if (!mine || mine.stopWanted) return;
    mine.stopWanted = true;
    // Without an id the request is still on its way; launch() cancels it once it has one.
    if (!mine.id) return;
    setRun((now) => (isActive(now) ? { ...now, stopping: true, problem: null } : now));
    cancel(mine, mine.id);
  }, [cancel]);

  const follow = useCallback(async (/** @type {LiveRun} */ mine, /** @type {string} */ id) => {
    const update = (/** @type {(run: Run) => Run} */ change) => live.current === mine && setRun(change);
    const batcher = createBatcher((events) => {
      const now = performance.now();
      update((run) => applyEvents(run, events, now));
    });
    const onEvent = (/** @type {RunEvent} */ event) => {
      if (event.type === 'output') mine.text.push(event.text);
      batcher.push(event);
    };
    const onConnection = (/** @type {'open' | 'lost'} */ connection) => update((run) => ({ ...run, connection }));
    try {
      await followRun({ api, id, signal: mine.abort.signal, onEvent, onConnection });
      batcher.flush();
    } catch (error) {
      batcher.flush();
      update((run) => ({ ...run, status: 'lost', connection: 'open', stopping: false, problem: lossText(asApiError(error)) }));
    }
  }, []);

  /**
   * Starts the program that `prepare` resolves to; null means that there is nothing to start. Throws an
   * ApiError when the server does not accept it.
   */
  const launch = useCallback(
    async (/** @type {() => Promise<Program | null>} */ prepare, /** @type {string} */ answerer) => {
      const mine = newRun(answerer);
      coming.current = mine;
      setStarting(true);
      try {
        const program = await prepare();
        if (!program || mine.stopWanted) return;
        const { id } = await api.createRun(program);
        mine.id = id;
        storeRun({ id, answerer });
        show(mine, { ...idleRun, status: 'queued', id, code: program.code, answerer, stopping: mine.stopWanted });
        if (mine.stopWanted) cancel(mine, id);
        follow(mine, id);
      } finally {
        coming.current = null;
        setStarting(false);
      }
    },
    [cancel, follow, show],
  );

  /** Resolves to the record of the run from before a reload, or to null; follows it. Throws an ApiError. */
  const resume = useCallback(async () => {
    const stored = storedRun();
    if (!stored || live.current || coming.current) return null;
    const mine = { ...newRun(stored.answerer), id: stored.id };
    show(mine, undefined);
    try {
      const record = await api.getRun(stored.id, mine.abort.signal);
      if (live.current !== mine) return null;
      const age = Date.now() - Date.parse(record.created_at);
      show(mine, restoredRun(stored, record, age, performance.now()));
      follow(mine, stored.id);
      return record;
    } catch (thrown) {
      const error = asApiError(thrown);
      if (live.current !== mine) return null;
      show(null, afterFailedResume(error));
      if (error.status === 404) forgetRun();
      throw error;
    }
  }, [follow, show]);

  /** Everything the run has printed so far, including text that is no longer shown. */
  const fullOutput = useCallback(() => live.current?.text.join('') ?? '', []);

  return { run, starting, launch, resume, stop, fullOutput };
}

/**
 * Undefined while offline: it stays `restoring` and is loaded once the server is back.
 * @param {ApiError} error
 * @returns {Run | undefined}
 */
function afterFailedResume(error) {
  if (error.code === 'offline') return undefined;
  return error.status === 404 ? idleRun : { ...idleRun, status: 'lost', problem: lossText(error) };
}

/** @param {ApiError} error */
function lossText(error) {
  if (error.status === 404) return 'The server no longer has this run.';
  if (error.code === 'offline') return 'Can’t reconnect, so the outcome of this run is not known. Reload the page to try again.';
  return `Can’t follow the run. ${error.message}`;
}
