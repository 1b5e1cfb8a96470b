import { Button } from '@mantine/core';
import { capitalized, count, linesWord, sentence } from '../lib/format.js';
import { InfoIcon, WarningIcon } from '../components/icons.jsx';

/** @import { ReactNode } from 'react' */
/** @import { Conflict } from '../api/types' */
/** @import { PageFile } from '../lib/tabState.js' */
/** @import { Lines } from './CodeView.jsx' */
/** @typedef {(line: number) => void} ShowLine */

/** @param {Lines} lines */
function lineText({ first_line: first, last_line: last }) {
  return last > first ? `${first}–${last}` : String(first);
}

/**
 * The lines of some parts, each a button that scrolls there.
 * @param {{ parts: Lines[], onShow: ShowLine }} props
 */
function Places({ parts, onShow }) {
  return (
    <span className="places">
      {parts.map((part, index) => (
        <span key={index}>
          <button type="button" className="place" aria-label={`${capitalized(linesWord([part]))} ${lineText(part)}`} onClick={() => onShow(part.first_line)}>
            {lineText(part)}
          </button>
          {index < parts.length - 1 && ','}
        </span>
      ))}
    </span>
  );
}

/** @param {{ tone?: string, icon?: ReactNode, children: ReactNode }} props */
export function Note({ tone = 'caution', icon = <WarningIcon />, children }) {
  return (
    <div className="note" data-tone={tone}>
      {icon}
      {children}
    </div>
  );
}

/** @param {{ file: PageFile, onRegenerate: () => void, generating: boolean }} props */
export function StaleNote({ file, onRegenerate, generating }) {
  return (
    <Note>
      <p>
        {file.fingerprint === null
          ? 'The code of the last run. The form may have changed since.'
          : 'The form has changed since this code was generated.'}
      </p>
      <Button size="compact-xs" variant="default" loading={generating} onClick={onRegenerate}>
        Regenerate
      </Button>
    </Note>
  );
}

/**
 * Names the manual edits that are kept, and offers to discard them.
 * @param {{ parts: Lines[], onShow: ShowLine, onDiscard?: () => void }} props
 */
export function EditsNote({ parts, onShow, onDiscard }) {
  return (
    <Note tone="accent" icon={<InfoIcon />}>
      <p>
        {parts.length === 1 ? '1 manual edit kept' : `${count(parts.length)} manual edits kept`}, {linesWord(parts)}{' '}
        <Places parts={parts} onShow={onShow} />
      </p>
      <button type="button" className="link" disabled={!onDiscard} onClick={onDiscard}>Discard my edits</button>
    </Note>
  );
}

/**
 * A changed field conflicts with manual edits: the user decides which one to keep.
 * @param {{ conflicts: Conflict[], onShow: ShowLine, onKeepCode: () => void, onUseForm?: () => void }} props
 */
export function ConflictNote({ conflicts, onShow, onKeepCode, onUseForm }) {
  return (
    <Note tone="bad">
      <div className="conflict">
        <p>
          <strong>You and the form changed the same lines</strong>, {linesWord(conflicts)} <Places parts={conflicts} onShow={onShow} />. The code was not changed.
        </p>
        <ul>
          {conflicts.map((conflict, index) => (
            <li key={index}>
              <code>{conflict.text}</code>
              {conflict.reason && <span className="conflict-reason">{sentence(conflict.reason)}</span>}
            </li>
          ))}
        </ul>
        <p>Edit these lines and reopen the file, or choose:</p>
        <div className="conflict-buttons">
          <Button size="compact-xs" variant="default" onClick={onKeepCode}>Keep my code</Button>
          <Button size="compact-xs" variant="default" disabled={!onUseForm} onClick={onUseForm}>Use the form (discards my edits)</Button>
        </div>
      </div>
    </Note>
  );
}

/** @type {Record<string, string>} */
const TONES = { '+': 'added', '-': 'removed' };

/**
 * The lines of a unified diff that were changed.
 * @param {string} diff
 */
export function changedLines(diff) {
  return diff.split('\n').filter((line) => /^[+-](?![+-]{2} )/.test(line));
}

/**
 * Shows what "Change" did to the file.
 * @param {{ diff: string }} props
 */
export function DiffNote({ diff }) {
  return (
    <Note tone="quiet" icon={<InfoIcon />}>
      <div className="diff">
        <p>Changed the model in the file:</p>
        <pre aria-label="Difference" role="group" tabIndex={0}>
          {changedLines(diff).map((line, index) => (
            <span key={index} data-change={TONES[line[0]]}>{`${line}\n`}</span>
          ))}
        </pre>
      </div>
    </Note>
  );
}
