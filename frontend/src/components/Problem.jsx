import { CloseButton } from '@mantine/core';
import { useRestoredFocus } from '../lib/useRestoredFocus.js';
import { WarningIcon } from './icons.jsx';

/** @import * as Problems from '../api/problems.js' */

/**
 * What went wrong and what to do about it. The empty region is always there, so that filling it is announced.
 * @param {{ problem: Problems.Problem | null, onClose: () => void }} props
 */
export function Problem({ problem, onClose }) {
  const region = useRestoredFocus('test-agent', 'generate');
  return (
    <div ref={region} role="alert" className="problem-region">
      {problem && (
        <div className="problem">
          <WarningIcon />
          <div>
            <strong>{problem.title}</strong>
            <p>{problem.text}</p>
          </div>
          <CloseButton size="sm" onClick={onClose} aria-label="Dismiss" />
        </div>
      )}
    </div>
  );
}
