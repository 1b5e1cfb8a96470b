import { Button } from '@mantine/core';
import { capitalized, count, linesWord, sentence } from '../lib/format.js';
import { InfoIcon, WarningIcon } from '../components/icons.jsx';

function lineText({ first_line: first, last_line: last }) {
  return last > first ? `${first}–${last}` : String(first);
}

/** The lines of some parts, each a button that goes there. */
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

export function Note({ tone = 'caution', icon = <WarningIcon />, children }) {
  return (
    <div className="note" data-tone={tone}>
      {icon}
      {children}
    </div>
  );
}

export function StaleNote({ file, onRegenerate, generating }) {
  return (
    <Note>
      <p>
        {file.fingerprint === null
          ? 'This is what the last run ran. The form may have changed since.'
          : 'The form has changed since this was generated.'}
      </p>
      <Button size="compact-xs" variant="default" loading={generating} onClick={onRegenerate}>
        Regenerate
      </Button>
    </Note>
  );
}

/** Says what was written by hand and stays so, and offers to do without. */
export function KeptNote({ parts, onShow, onDrop }) {
  return (
    <Note tone="accent" icon={<InfoIcon />}>
      <p>
        {parts.length === 1 ? '1 hand-written part is kept' : `${count(parts.length)} hand-written parts are kept`}, {linesWord(parts)}{' '}
        <Places parts={parts} onShow={onShow} />
      </p>
      <button type="button" className="link" disabled={!onDrop} onClick={onDrop}>Write anew without</button>
    </Note>
  );
}

/** A field that was changed meets a line that was written by hand: the user says which one holds. */
export function ConflictNote({ conflicts, onShow, onKeepFile, onWriteAnew }) {
  return (
    <Note tone="bad">
      <div className="conflict">
        <p>
          <strong>The form and your own lines disagree</strong>, {linesWord(conflicts)} <Places parts={conflicts} onShow={onShow} />. Nothing was written.
        </p>
        <ul>
          {conflicts.map((conflict, index) => (
            <li key={index}>
              <code>{conflict.text}</code>
              {conflict.reason && <span className="conflict-reason">{sentence(conflict.reason)}</span>}
            </li>
          ))}
        </ul>
        <p>Change these lines in the file and open it again, or choose what holds:</p>
        <div className="conflict-buttons">
          <Button size="compact-xs" variant="default" onClick={onKeepFile}>Keep the file, undo the form</Button>
          <Button size="compact-xs" variant="default" onClick={onWriteAnew}>Follow the form, drop all my lines</Button>
        </div>
      </div>
    </Note>
  );
}

const TONES = { '+': 'added', '-': 'removed' };

/** The lines of a unified diff that were changed. */
export function changedLines(diff) {
  return diff.split('\n').filter((line) => /^[+-](?![+-]{2} )/.test(line));
}

/** What "Change" did to the file. */
export function DiffNote({ diff }) {
  return (
    <Note tone="quiet" icon={<InfoIcon />}>
      <div className="diff">
        <p>The model was changed in the file:</p>
        <pre aria-label="Difference" role="group" tabIndex={0}>
          {changedLines(diff).map((line, index) => (
            <span key={index} data-change={TONES[line[0]]}>{`${line}\n`}</span>
          ))}
        </pre>
      </div>
    </Note>
  );
}
