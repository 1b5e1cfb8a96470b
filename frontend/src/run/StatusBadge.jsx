import { useEffect, useState } from 'react';
import { statusText, statusTone } from './runState.js';

/** @import { Run } from './runState.js' */

const TICK_MS = 100;

/** @param {{ since: number }} props */
function Elapsed({ since }) {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return <span className="elapsed">{Math.max(0, (now - since) / 1000).toFixed(1)} s</span>;
}

/** @param {{ run: Run }} props */
export function StatusBadge({ run }) {
  return (
    <span className="status" data-testid="run-status" data-status={run.status} data-tone={statusTone(run)}>
      <span className="status-dot" />
      <span>{statusText(run)}</span>
      {run.status === 'running' && run.startedAt !== null && <Elapsed since={run.startedAt} />}
    </span>
  );
}

/**
 * Announces each change of state once; the ticking clock beside it stays silent.
 * @param {{ run: Run }} props
 */
export function StatusAnnouncer({ run }) {
  const lost = run.connection === 'lost' ? ' Connection lost. Reconnecting.' : '';
  return (
    <span className="sr-only" role="status">
      {run.status !== 'idle' && `Run: ${statusText(run)}.${lost}`}
    </span>
  );
}
