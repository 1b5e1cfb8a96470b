import { answeredBy, LOCAL_BOUND } from '../form/backends.js';
import { capitalized, costText, count, seconds, sentence, UNKNOWN } from '../lib/format.js';
import { isActive, statusTone, stoppedEarly } from './runState.js';
import { InfoIcon, ShieldIcon, WarningIcon } from '../components/icons.jsx';
import { Fact, ModelCalls } from './ModelCalls.jsx';
import { OutputView } from './OutputView.jsx';
import { RunFiles } from './RunFiles.jsx';
import { StatusAnnouncer, StatusBadge } from './StatusBadge.jsx';

function Backend({ run }) {
  if (!run.backend) return null;
  return (
    <p className="answered" data-testid="backend">
      Answered by: {answeredBy(run)}
    </p>
  );
}

/** What this run may reach beyond the model. */
function Granted({ granted: { hosts, files } }) {
  if (hosts.length === 0 && files.length === 0) return null;
  const given = files.length > 3 ? `${files.slice(0, 3).join(', ')} and ${files.length - 3} more files` : files.join(', ');
  return (
    <p className="answered" data-testid="granted">
      Granted for this run: {[given, hosts.join(', ')].filter(Boolean).join('; ')}
    </p>
  );
}

/** What it will lack, its tools or the model that answers: said while the run is going, and not only once they have failed. */
function Missing({ run }) {
  if (run.missing.length === 0) return null;
  const failed = statusTone(run) === 'bad';
  return (
    <div className="note" data-tone={failed ? 'caution' : 'quiet'} data-testid="missing">
      {failed ? <WarningIcon /> : <InfoIcon />}
      <ul>
        {run.missing.map((message) => (
          <li key={message}>{sentence(message)}</li>
        ))}
      </ul>
    </div>
  );
}

function EarlierNote() {
  return (
    <div className="note" data-tone="caution" data-testid="earlier">
      <InfoIcon />
      <p>This result is of an earlier file, not of the one now on the page.</p>
    </div>
  );
}

/** Only the agent knows why it stopped: a bound on its answer, or a refusal. Its own line says so. */
function earlyNote(run) {
  const said = run.output.segments.some(({ stream }) => stream === 'stderr');
  const note = `The agent stopped early (exit code 3)${said ? ': see the line on stderr' : ''}.`;
  return run.backend === 'local' ? `${note} ${LOCAL_BOUND}` : note;
}

/** The server's own words for the outcome, where the badge alone would leave a question. */
function outcomeNote(run, offline) {
  if (run.problem) return run.problem;
  if (run.budget) return capitalized(run.budget);
  // The banner over the page says it already.
  if (run.connection === 'lost') return offline ? null : 'Connection lost; trying to reconnect…';
  if (stoppedEarly(run)) return earlyNote(run);
  const reason = run.exit?.reason ?? '';
  // A single word is the kind of limit, which the badge names; the exit code stands below.
  if (run.status === 'success' || !reason.includes(' ') || reason.startsWith('exit code')) return null;
  return capitalized(reason);
}

function Note({ run, offline }) {
  const text = outcomeNote(run, offline);
  if (!text) return null;
  const bad = statusTone(run) === 'bad' || (run.problem && run.status !== 'lost');
  const tone = bad ? 'bad' : 'caution';
  return (
    <div className="note" data-tone={run.status === 'cancelled' ? 'quiet' : tone}>
      <WarningIcon />
      <p>{text}</p>
    </div>
  );
}

/** The sums of a run's model calls. Those of a single call stand at the call itself. */
function Totals({ exit, backend }) {
  const { usage } = exit;
  if (!usage || usage.calls < 2) return null;
  const refused = usage.refused_calls ?? 0; // not in the history of earlier servers
  const made = count(usage.calls - refused);
  const calls = <Fact name="Model calls" value={refused > 0 ? `${made}, ${count(refused)} refused` : made} />;
  const answered = usage.input_tokens > 0 || usage.unmetered_calls > 0;
  if (!answered) return calls;
  return (
    <>
      {calls}
      <Fact name="Without a count" value={usage.unmetered_calls > 0 ? count(usage.unmetered_calls) : UNKNOWN} />
      <Fact name="Tokens in" value={count(usage.input_tokens)} />
      <Fact name="Tokens out" value={count(usage.output_tokens)} />
      <Fact name="Cost" value={costText(exit.cost_usd, backend)} />
    </>
  );
}

/** What the sandbox refused and so ended the run: its own words, never the program's. */
function Denied({ message }) {
  return (
    <div role="status" className="denied-region">
      {message && (
        <div className="denied" data-testid="denied">
          <ShieldIcon />
          <p>
            <strong>Refused by the sandbox.</strong> {sentence(message)}
          </p>
        </div>
      )}
    </div>
  );
}

function Summary({ run }) {
  const { exit } = run;
  if (!exit) return null;
  // After Stop it only says how the server ended the program: 137, as if something had failed.
  const code = run.status === 'cancelled' ? null : (exit.returncode ?? null);
  if (code === null && typeof exit.duration !== 'number') return null;
  return (
    <dl className="facts summary">
      {code !== null && <Fact name="Exit code" value={code} />}
      <Fact name="Duration" value={seconds(exit.duration)} />
      <Fact name="First output after" value={seconds(exit.time_to_first_output)} />
      <Totals exit={exit} backend={run.calls.at(-1)?.backend ?? run.backend} />
    </dl>
  );
}

export function RunPanel({ ref, run, earlier, offline, fullOutput }) {
  const idle = run.status === 'idle';
  const waiting = isActive(run) || run.status === 'restoring';
  return (
    <section ref={ref} className="panel run-panel" aria-label="Result" aria-busy={waiting}>
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
          {earlier && <EarlierNote />}
          <Backend run={run} />
          <Granted granted={run.granted} />
          <Note run={run} offline={offline} />
          <Missing run={run} />
          {/* A new run starts with a fresh view, which follows its output again. */}
          <OutputView key={run.id} output={run.output} waiting={waiting} fullOutput={fullOutput} />
          <Denied message={run.denied} />
          <RunFiles run={run} />
          <ModelCalls run={run} />
          <Summary run={run} />
        </>
      )}
    </section>
  );
}
