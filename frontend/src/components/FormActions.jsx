import { Button } from '@mantine/core';
import { PlayIcon, StopIcon } from './icons.jsx';
import { Problem } from './Problem.jsx';

const isMac = /Mac|iPhone|iPad/.test(navigator.platform ?? '');

/** One button for both, so that keyboard focus stays where it was when a run starts or ends. */
function TestButton({ builder, testable, running }) {
  const { stop, run } = builder.runner;

  function press(event) {
    // The second click of a double click must not stop what the first one started.
    if (running && event.detail > 1) return;
    if (running) stop();
    else builder.test();
  }

  return (
    <Button
      className="test-button"
      color={running ? 'stop' : undefined}
      leftSection={running ? <StopIcon /> : <PlayIcon />}
      disabled={!testable && !running}
      data-busy={run.stopping || undefined}
      aria-keyshortcuts={running ? undefined : 'Control+Enter Meta+Enter'}
      onClick={press}
    >
      {running ? 'Stop' : 'Test Agent'}
    </Button>
  );
}

function hint({ testable, server, running, stopping }) {
  if (stopping) return 'Stopping…';
  if (running) return 'Running in the sandbox.';
  const { sandbox } = server.catalog ?? {};
  if (sandbox?.available === false) return `Testing is off on this server: ${sandbox.reason ?? 'no sandbox'}`;
  if (!testable) return 'Testing needs a provider key or the local model.';
  return null;
}

export function FormActions({ builder, server, testable, running }) {
  const text = hint({ testable, server, running, stopping: builder.runner.run.stopping });
  return (
    <div className="form-actions">
      <Problem problem={builder.problem} onClose={builder.dismissProblem} />
      <div className="form-buttons">
        <Button type="submit" variant="default" disabled={running} loading={builder.generating && !running}>
          Generate
        </Button>
        <TestButton builder={builder} testable={testable} running={running} />
      </div>
      <p className="form-hint">
        {text ?? (
          <>
            <kbd>{isMac ? '⌘' : 'Ctrl'}</kbd> <kbd>Enter</kbd> tests from anywhere on the page.
          </>
        )}
      </p>
    </div>
  );
}
