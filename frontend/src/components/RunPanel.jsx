import { answeredBy } from '../backends.js';
import { dollars, seconds, UNKNOWN } from '../format.js';
import { isActive, stoppedEarly } from '../runState.js';
import { WarningIcon } from './icons.jsx';
import { ModelCalls } from './ModelCalls.jsx';
import { OutputView } from './OutputView.jsx';
import { StatusAnnouncer, StatusBadge } from './StatusBadge.jsx';

function Backend({ run }) {
  if (!run.backend) return null;
  return (
    <p className="answered" data-testid="backend">
      Answered by: {answeredBy(run)}
    </p>
  );
}

/** The server's own words for the outcome, where the badge alone would leave a question. */
function outcomeNote(run) {
  if (run.problem) return run.problem;
  if (run.connection === 'lost') return 'Connection lost. The run goes on; reconnecting…';
  if (stoppedEarly(run)) return 'The agent ended with exit code 3: its answer was cut short.';
  const reason = run.exit?.reason ?? '';
  // A single word is the kind of limit, which the badge names; the exit code stands below.
  if (run.status === 'success' || !reason.includes(' ') || reason.startsWith('exit code')) return null;
  return reason[0].toUpperCase() + reason.slice(1);
}

function Note({ run }) {
  const text = outcomeNote(run);
  if (!text) return null;
  const tone = run.problem || run.status === 'failed' ? 'bad' : 'caution';
  return (
    <div className="note" data-tone={run.status === 'cancelled' ? 'quiet' : tone}>
      <WarningIcon />
      <p>{text}</p>
    </div>
  );
}

function Summary({ run }) {
  const { exit } = run;
  if (!exit) return null;
  return (
    <dl className="facts summary">
      <div><dt>Exit code</dt><dd>{exit.returncode ?? UNKNOWN}</dd></div>
      <div><dt>Duration</dt><dd>{seconds(exit.duration)}</dd></div>
      <div><dt>First output after</dt><dd>{seconds(exit.time_to_first_output)}</dd></div>
      {typeof exit.cost_usd === 'number' && <div><dt>Cost</dt><dd>{dollars(exit.cost_usd)}</dd></div>}
    </dl>
  );
}

export function RunPanel({ ref, run, fullOutput }) {
  const idle = run.status === 'idle';
  return (
    <section ref={ref} className="panel run-panel" aria-label="Result" aria-busy={isActive(run)}>
      <div className="panel-head">
        <h2 className="panel-title">Result</h2>
        {!idle && <StatusBadge run={run} />}
      </div>
      <StatusAnnouncer run={run} />
      {idle ? (
        <p className="empty">
          Nothing has run yet.
          <span>Press Test Agent to watch the file run on its example task, in a sandbox.</span>
        </p>
      ) : (
        <>
          <Backend run={run} />
          <Note run={run} />
          {/* A new run starts with a fresh view, which follows its output again. */}
          <OutputView key={run.id} output={run.output} waiting={isActive(run)} fullOutput={fullOutput} />
          <ModelCalls calls={run.calls} />
          <Summary run={run} />
        </>
      )}
    </section>
  );
}
