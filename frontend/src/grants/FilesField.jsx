import { useRef, useState } from 'react';
import { sizeText, usageText } from './files.js';
import { toolsThatNeed } from '../editor/toolCode.js';
import { CrossIcon } from '../components/icons.jsx';

function GivenFile({ file, onRemove }) {
  return (
    <li className="file">
      <span className="file-name">{file.name}</span>
      <span className="file-size">{sizeText(file.size)}</span>
      <button type="button" className="file-remove" aria-label={`Remove ${file.name}`} onClick={onRemove}>
        <CrossIcon />
      </button>
    </li>
  );
}

/** True while files are dragged over the element with these handlers. */
function useDrop(onFiles) {
  const [over, setOver] = useState(false);
  const carriesFiles = (event) => [...event.dataTransfer.types].includes('Files');
  return {
    over,
    handlers: {
      onDragOver(event) {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      onDragLeave(event) {
        if (!event.currentTarget.contains(event.relatedTarget)) setOver(false);
      },
      onDrop(event) {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setOver(false);
        onFiles(event.dataTransfer.files);
      },
    },
  };
}

/** Files that the agent finds in its folder. One quiet line until some are given. */
export function FilesField({ given, tools, gallery }) {
  const { files, problem, bounds, add, remove } = given;
  const input = useRef(null);
  const button = useRef(null);
  const { over, handlers } = useDrop(add);
  if (!bounds) return null;

  function choose(event) {
    add(event.currentTarget.files);
    event.currentTarget.value = ''; // so that the same file can be chosen again
  }

  function removeFile(name) {
    remove(name);
    button.current.focus(); // the one that had it is gone
  }

  const note = files.length > 0 ? usageText(files, bounds) : `At most ${bounds.max_count}, ${sizeText(bounds.max_bytes)} in all.`;
  const needy = files.length === 0 ? toolsThatNeed('files', tools, gallery) : [];
  return (
    <div className="files" role="group" aria-labelledby="files-title" data-over={over || undefined} {...handlers}>
      <div className="files-head">
        <span className="files-title" id="files-title">Files</span>
        <span className="files-note" id="files-note">{note}</span>
        <button ref={button} type="button" className="link" aria-describedby="files-note" onClick={() => input.current.click()}>
          Add files
        </button>
        <input ref={input} type="file" multiple hidden data-testid="files-input" onChange={choose} />
      </div>
      {files.length > 0 && (
        <ul className="file-list" aria-label="Files for the agent">
          {files.map((file) => (
            <GivenFile key={file.name} file={file} onRemove={() => removeFile(file.name)} />
          ))}
        </ul>
      )}
      {needy.length > 0 && (
        <p className="files-note">{needy.join(', ')} may need files: a test has only those given here, beside agent.py.</p>
      )}
      <div role="alert" className="files-problem">{problem}</div>
    </div>
  );
}
