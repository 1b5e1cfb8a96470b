import { Button, Skeleton } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { copyText, saveFile } from './clipboard.js';
import { useRestoredFocus } from '../lib/useRestoredFocus.js';
import { ConflictNote, DiffNote, EditsNote, Note, StaleNote } from './CodeNotes.jsx';
import { CodeView } from './CodeView.jsx';
import { CheckIcon, CopyIcon, DownloadIcon } from '../components/icons.jsx';

/** @import { Ref } from 'react' */
/** @import { PageFile } from '../lib/tabState.js' */
/** @import { CodeHandle, Lines } from './CodeView.jsx' */
/**
 * @typedef {object} CodeActions
 * @property {() => void} generate
 * @property {(() => void) | undefined} discardEdits generates from the form alone; undefined until the catalog has loaded
 * @property {() => void} keepCode sets the form to what the file says
 */

const SHOWN_MS = 2000;

/** @param {{ text: string }} props */
function CopyButton({ text }) {
  const [state, setState] = useState(/** @type {'idle' | 'copied' | 'failed'} */ ('idle'));
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

/** @param {{ file: PageFile }} props */
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

/** @param {{ generating: boolean }} props */
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
      <span>Press Generate to see it here.</span>
    </p>
  );
}

/**
 * @param {Lines[]} parts
 * @param {string} tone
 */
const toned = (parts, tone) => parts.map((part) => ({ ...part, tone }));

/**
 * @param {object} props
 * @param {PageFile} props.file
 * @param {ReturnType<typeof manualEdits>} props.manual
 * @param {boolean} props.stale
 * @param {boolean} props.generating
 * @param {CodeActions} props.actions
 * @param {(line: number) => void} props.onShow
 */
function Notes({ file, manual, stale, generating, actions, onShow }) {
  const { kept, conflicts } = manual;
  if (conflicts.length > 0) {
    return <ConflictNote conflicts={conflicts} onShow={onShow} onKeepCode={actions.keepCode} onUseForm={actions.discardEdits} />;
  }
  return (
    <>
      {stale && <StaleNote file={file} onRegenerate={actions.generate} generating={generating} />}
      {kept.length > 0 && <EditsNote parts={kept} onShow={onShow} onDiscard={actions.discardEdits} />}
      {file.diff && <DiffNote diff={file.diff} />}
      {file.warnings.map((warning) => (
        <Note key={warning}>
          <p>{warning}</p>
        </Note>
      ))}
      {!stale && <span className="sr-only">{file.message}</span>}
    </>
  );
}

/**
 * The manual edits of the file, as long as the form is based on that file.
 * @param {PageFile | null} file
 * @param {string | null} base
 */
function manualEdits(file, base) {
  const current = file !== null && file.code === base ? file : null;
  return { kept: current?.kept ?? [], conflicts: current?.conflicts ?? [] };
}

/**
 * @param {object} props
 * @param {Ref<HTMLElement>} props.ref
 * @param {PageFile | null} props.file
 * @param {string | null} props.base
 * @param {boolean} props.stale
 * @param {boolean} props.generating
 * @param {CodeActions} props.actions
 */
export function CodePanel({ ref, file, base, stale, generating, actions }) {
  const view = useRef(/** @type {CodeHandle | null} */ (null));
  const notes = useRestoredFocus('code-view');
  const manual = manualEdits(file, base);
  const marks = manual.conflicts.length > 0 ? toned(manual.conflicts, 'bad') : toned(manual.kept, 'kept');
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
            manual={manual}
            stale={stale}
            generating={generating}
            actions={actions}
            onShow={(line) => view.current?.show(line)}
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
