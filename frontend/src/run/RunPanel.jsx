import { capitalized, costText, count, seconds, sentence, UNKNOWN } from '../lib/format.js';
import { HIT_MAX_TOKENS, isActive, statusTone, stopReason, stoppedEarly } from './runState.js';
import { InfoIcon, ShieldIcon, WarningIcon } from '../components/icons.jsx';
import { Fact, ModelCalls } from './ModelCalls.jsx';
import { OutputView } from './OutputView.jsx';
import { RunFiles } from './RunFiles.jsx';
import { StatusAnnouncer, StatusBadge } from './StatusBadge.jsx';

/** @import { Ref } from 'react' */
/** @import { Exit } from '../api/types' */
/** @import { Run } from './runState.js' */
/** @typedef {{ run: Run }} OfRun */

/** @param {OfRun} props */
function Backend({ run }) {
  if (!run.backend) return null;
  return (
    <p className="answered" data-testid="backend">
      Answered by: {(run.backend === 'provider' && run.answerer) || run.modelLabel}
    </p>
  );
}

/**
 * What this run may use beyond the model.
 * @param {{ granted: Run['granted'] }} props
 */
function Granted({ granted: { hosts, files } }) {
  if (hosts.length === 0 && files.length === 0) return null;
  const given = files.length > 3 ? `${files.slice(0, 3).join(', ')} and ${files.length - 3} more files` : files.join(', ');
  return (
    <p className="answered" data-testid="granted">
      Allowed in this run: {[given, hosts.join(', ')].filter(Boolean).join('; ')}
    </p>
  );
}

/**
 * What its tools or the model will lack: shown while it runs, not only after they have failed.
 * @param {OfRun} props
 */
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
      <p>This result belongs to an earlier version of the code. Run again to update it.</p>
    </div>
  );
}

// Exit codes from here on mean a fatal signal, as in a shell.
const SIGNAL = 128;

/**
 * @param {Run} run
 * @param {number | null} localMaxTokens
 */
function earlyNote(run, localMaxTokens) {
  const reason = stopReason(run);
  if (reason === HIT_MAX_TOKENS && run.backend === 'local' && localMaxTokens) {
    return `Stopped early: the local model’s responses are limited to ${count(localMaxTokens)} tokens.`;
  }
  return `Stopped early: ${reason ?? 'see the last line of stderr'}.`;
}

/**
 * The server's own words for the outcome, where the badge alone would leave a question.
 * @param {Run} run
 * @param {boolean} offline
 * @param {number | null} localMaxTokens
 */
function outcomeNote(run, offline, localMaxTokens) {
  if (run.problem) return run.problem;
  if (run.budget) return capitalized(run.budget);
  // The banner over the page says it already.
  if (run.connection === 'lost') return offline ? null : 'Connection lost. Reconnecting…';
  if (stoppedEarly(run)) return earlyNote(run, localMaxTokens);
  // Limits are named by the badge; an exit code is shown below, but a fatal signal is not.
  const { reason, returncode } = run.exit ?? {};
  const unexplained = run.status === 'failed' || (run.status === 'error' && (returncode ?? SIGNAL) >= SIGNAL);
  return unexplained && reason ? capitalized(reason) : null;
}

/** @param {{ run: Run, offline: boolean, localMaxTokens: number | null }} props */
function Note({ run, offline, localMaxTokens }) {
  const text = outcomeNote(run, offline, localMaxTokens);
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

/**
 * The totals of several model calls; a single call shows its own numbers.
 * @param {{ exit: Exit, backend: string | null }} props
 */
function Totals({ exit, backend }) {
  const { usage } = exit;
  if (!usage || usage.calls < 2) return null;
  const refused = usage.refused_calls ?? 0; // missing in runs of earlier versions
  const made = count(usage.calls - refused);
  const calls = <Fact name="Model calls" value={refused > 0 ? `${made}, ${count(refused)} refused` : made} />;
  const answered = usage.input_tokens > 0 || usage.unmetered_calls > 0;
  if (!answered) return calls;
  return (
    <>
      {calls}
      <Fact name="Without token counts" value={usage.unmetered_calls > 0 ? count(usage.unmetered_calls) : UNKNOWN} />
      <Fact name="Tokens in" value={count(usage.input_tokens)} />
      <Fact name="Tokens out" value={count(usage.output_tokens)} />
      <Fact name="Cost" value={costText(exit.cost_usd, backend)} />
    </>
  );
}

/**
 * What the sandbox refused: its own words, never the program's.
 * @param {{ message: string | null }} props
 */
function Denied({ message }) {
  return (
    <div role="status" className="denied-region">
      {message && (
        <div className="denied" data-testid="denied">
          <ShieldIcon />
          <p>
            <strong>Blocked by the sandbox.</strong> {sentence(message)}
          </p>
        </div>
      )}
    </div>
  );
}

/** @param {OfRun} props */
function Summary({ run }) {
  const { exit } = run;
  if (!exit) return null;
  // After Stop the exit code only says how the server ended the program: 137, as if it had failed.
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

/**
 * @param {object} props
 * @param {Ref<HTMLElement>} props.ref
 * @param {Run} props.run
 * @param {boolean} props.earlier whether the page now has another file
 * @param {boolean} props.offline
 * @param {number | null} props.localMaxTokens the local model's limit of a response
 * @param {() => string} props.fullOutput
 */
export function RunPanel({ ref, run, earlier, offline, localMaxTokens, fullOutput }) {
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
          <span>Press Test Agent to run the file on its example task in a sandbox.</span>
        </p>
      ) : (
        <>
          {earlier && <EarlierNote />}
          <Backend run={run} />
          <Granted granted={run.granted} />
          <Note run={run} offline={offline} localMaxTokens={localMaxTokens} />
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
