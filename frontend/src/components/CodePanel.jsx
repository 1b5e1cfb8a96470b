import { Button, Skeleton } from '@mantine/core';
import { useEffect, useState } from 'react';
import { copyText, saveFile } from '../clipboard.js';
import { CodeView } from './CodeView.jsx';
import { CheckIcon, CopyIcon, DownloadIcon, WarningIcon } from './icons.jsx';

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

function StaleNote({ file, onRegenerate, generating }) {
  return (
    <div className="note" data-tone="caution">
      <WarningIcon />
      <p>
        {file.fingerprint === null
          ? 'This is what the last run ran. The form may have changed since.'
          : 'The form has changed since this was generated.'}
      </p>
      <Button size="compact-xs" variant="default" loading={generating} onClick={onRegenerate}>
        Regenerate
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

export function CodePanel({ ref, file, stale, generating, onRegenerate }) {
  return (
    <section ref={ref} className="panel code-panel" aria-label="Generated code" aria-busy={generating}>
      <div className="panel-head">
        <h2 className="panel-title">Generated code</h2>
        {file && <span className="filename">{file.filename}</span>}
        {file && <FileActions file={file} />}
      </div>
      <div role="status" className="notes">
        {file && stale && <StaleNote file={file} onRegenerate={onRegenerate} generating={generating} />}
        {file?.warnings?.map((warning) => (
          <div className="note" data-tone="caution" key={warning}>
            <WarningIcon />
            <p>{warning}</p>
          </div>
        ))}
        {file && !stale && <span className="sr-only">{file.message}</span>}
      </div>
      {file ? <CodeView code={file.code} filename={file.filename} /> : <EmptyCode generating={generating} />}
    </section>
  );
}
