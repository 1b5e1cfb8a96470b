import { Button } from '@mantine/core';
import { PlayIcon, StopIcon } from '../components/icons.jsx';
import { Problem } from '../components/Problem.jsx';
import { nameBackend } from './backends.js';

/** @import { MouseEvent } from 'react' */
/** @import { Answerer, Catalog, Provider } from '../api/types' */
/** @import { Server } from '../page/useServer.js' */
/** @import { Backend } from './backends.js' */
/** @import { Builder } from './useBuilder.js' */

const isMac = /Mac|iPhone|iPad/.test(navigator.platform ?? '');

/**
 * One button for both, so that keyboard focus stays where it was when a run starts or ends.
 * @param {{ builder: Builder, testable: boolean }} props
 */
function TestButton({ builder, testable }) {
  const { running } = builder;
  const { stop, run } = builder.runner;

  /** @param {MouseEvent} event */
  function press(event) {
    // The second click of a double click must not stop the run that the first one started.
    if (running && event.detail > 1) return;
    if (running) stop();
    else builder.test();
  }

  return (
    <Button
      id="test-agent"
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

/** @param {{ testable: boolean, catalog: Catalog | null, builder: Builder, waiting: boolean }} state */
function hint({ testable, catalog, builder, waiting }) {
  const { run, starting } = builder.runner;
  if (run.stopping) return 'Stopping…';
  if (starting) return 'Starting…';
  if (run.status === 'queued') return 'Waiting for a free sandbox.';
  if (run.status === 'running') return 'Running in the sandbox.';
  if (waiting) return 'The test starts as soon as the server responds.';
  if (!catalog) return 'Waiting for the server.';
  const { sandbox } = catalog;
  if (!sandbox.available) return `Testing is off on this server: ${sandbox.reason ?? 'no sandbox'}`;
  if (!testable) return 'No model is available for tests: see “Run with”.';
  return null;
}

/**
 * @param {object} props
 * @param {Builder} props.builder
 * @param {Server} props.server
 * @param {Backend | null} props.backend
 * @param {Provider | null} props.provider
 * @param {Answerer | null} props.answerer
 * @param {boolean} props.waiting
 */
export function FormActions({ builder, server, backend, provider, answerer, waiting }) {
  const { running } = builder;
  const testable = backend !== null;
  const text = hint({ testable, catalog: server.catalog, builder, waiting });
  return (
    <div className="form-actions">
      <Problem problem={builder.problem} onClose={builder.dismissProblem} />
      <div className="form-buttons">
        <Button type="submit" id="generate" variant="default" disabled={running || !provider} loading={builder.generating && !running}>
          Generate
        </Button>
        <TestButton builder={builder} testable={testable} />
      </div>
      <p className="form-hint">
        <span>{text ?? nameBackend(backend, answerer)}</span>
        {text === null && (
          <span className="shortcut">
            <span className="sr-only">Shortcut from anywhere on the page: </span>
            <kbd>{isMac ? '⌘' : 'Ctrl'}</kbd> <kbd>Enter</kbd>
          </span>
        )}
      </p>
    </div>
  );
}
