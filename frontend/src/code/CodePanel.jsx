import { Button, Skeleton } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { copyText, saveFile } from './clipboard.js';
import { useKeptFocus } from '../lib/useKeptFocus.js';
import { ConflictNote, DiffNote, KeptNote, Note, StaleNote } from './CodeNotes.jsx';
import { CodeView } from './CodeView.jsx';
import { CheckIcon, CopyIcon, DownloadIcon } from '../components/icons.jsx';

const SHOWN_MS = 2000;

function CopyButton({ text }) {
  const [state, setState] = useState('idle');
  useEffect(() => {
    if (state === 'idle') return undefined;
    const timer = setTimeout(() => setState('idle'), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [state]);

  const words = { idle: 'Copy', copied: 'Copied', failed: 'Not copied' };
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={state === 'copied' ? <CheckIcon /> : <CopyIcon />}
        onClick={async () => setState((await copyText(text)) ? 'copied' : 'failed')}
      >
        {words[state]}
      </Button>
      <span className="sr-only" role="status">
        {state === 'copied' && 'Code copied'}
        {state === 'failed' && 'The browser did not allow copying'}
      </span>
    </>
  );
}

function FileActions({ file }) {
  return (
    <div className="panel-tools">
      <CopyButton text={file.code} />
      <Button
        size="xs"
        variant="default"
        leftSection={<DownloadIcon />}
        onClick={() => saveFile(file.filename, file.code)}
      >
        Download
      </Button>
    </div>
  );
}

function EmptyCode({ generating }) {
  if (generating) {
    return (
      <div className="code-skeleton" aria-hidden="true">
        {[38, 62, 0, 50, 74, 56, 0, 44, 68].map((width, line) => (
          <Skeleton key={line} height={10} width={`${width}%`} visible={width > 0} />
        ))}
      </div>
    );
  }
  return (
    <p className="empty">
      One readable Python file, yours to keep.
      <span>Press Generate and it appears here.</span>
    </p>
  );
}

const NONE = [];
const toned = (parts, tone) => parts.map((part) => ({ ...part, tone }));

function Notes({ file, hand, stale, generating, actions, onShow }) {
  const { warnings = NONE } = file;
  const { kept, conflicts } = hand;
  if (conflicts.length > 0) {
    return <ConflictNote conflicts={conflicts} onShow={onShow} onKeepFile={actions.keepFile} onWriteAnew={actions.writeAnew} />;
  }
  return (
    <>
      {stale && <StaleNote file={file} onRegenerate={actions.generate} generating={generating} />}
      {kept.length > 0 && <KeptNote parts={kept} onShow={onShow} onDrop={actions.writeAnew} />}
      {file.diff && <DiffNote diff={file.diff} />}
      {warnings.map((warning) => (
        <Note key={warning}>
          <p>{warning}</p>
        </Note>
      ))}
      {!stale && <span className="sr-only">{file.message}</span>}
    </>
  );
}

/** The hand-written parts of the file, as long as the form builds upon that file. */
function handWritten(file, base) {
  const onto = file !== null && file.code === base;
  return { kept: (onto && file.kept) || NONE, conflicts: (onto && file.conflicts) || NONE };
}

/** `actions`: `generate`, `writeAnew` (from the form alone; null until the server has answered), `keepFile` (the form as the file has it). */
export function CodePanel({ ref, file, base, stale, generating, actions }) {
  const view = useRef(null);
  const notes = useKeptFocus('code-view');
  const hand = handWritten(file, base);
  const marks = hand.conflicts.length > 0 ? toned(hand.conflicts, 'bad') : toned(hand.kept, 'kept');
  return (
    <section ref={ref} className="panel code-panel" aria-label="Generated code" aria-busy={generating}>
      <div className="panel-head">
        <h2 className="panel-title">Generated code</h2>
        {file && <span className="filename">{file.filename}</span>}
        {file && <FileActions file={file} />}
      </div>
      <div ref={notes} role="status" className="notes">
        {file && (
          <Notes
            file={file}
            hand={hand}
            stale={stale}
            generating={generating}
            actions={actions}
            onShow={(line) => view.current.show(line)}
          />
        )}
      </div>
      {file ? (
        <CodeView ref={view} code={file.code} filename={file.filename} marks={marks} />
      ) : (
        <EmptyCode generating={generating} />
      )}
    </section>
  );
}
