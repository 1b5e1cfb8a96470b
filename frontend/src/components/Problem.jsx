import { CloseButton } from '@mantine/core';
import { useKeptFocus } from '../lib/useKeptFocus.js';
import { WarningIcon } from './icons.jsx';

/** What went wrong and what to do about it. The empty region is always there, so that filling it is announced. */
export function Problem({ problem, onClose }) {
  const region = useKeptFocus('test-agent', 'generate');
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
