import { useRef, useState } from 'react';
import { CrossIcon } from '../components/icons.jsx';
import { sizeText, usageText } from './files.js';

/** @import { ChangeEvent, DragEvent } from 'react' */
/** @import * as Files from './files.js' */
/** @import { Given } from './useFiles.js' */

/** @param {{ file: Files.GivenFile, onRemove: () => void }} props */
function GivenFile({ file, onRemove }) {
  return (
    <li className="file">
      <span className="file-name">{file.name}</span>
      <span className="file-size">{sizeText(file.size)}</span>
      <button type="button" className="icon-button" aria-label={`Remove ${file.name}`} onClick={onRemove}>
        <CrossIcon />
      </button>
    </li>
  );
}

/**
 * `over` is true while files are dragged over the element with these handlers.
 * @param {(files: FileList) => void} onFiles
 */
function useDrop(onFiles) {
  const [over, setOver] = useState(false);
  const carriesFiles = (/** @type {DragEvent} */ event) => [...event.dataTransfer.types].includes('Files');
  return {
    over,
    handlers: {
      onDragOver(/** @type {DragEvent} */ event) {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      onDragLeave(/** @type {DragEvent<HTMLElement>} */ event) {
        if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) setOver(false);
      },
      onDrop(/** @type {DragEvent} */ event) {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setOver(false);
        onFiles(event.dataTransfer.files);
      },
    },
  };
}

/**
 * Files that the agent finds in its folder. One quiet line until some are attached.
 * @param {{ given: Given, needed: string[] }} props `needed`: names of tools that probably read files
 */
export function FilesField({ given, needed }) {
  const { files, problem, limits, add, remove } = given;
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const { over, handlers } = useDrop(add);
  if (!limits) return null;

  /** @param {ChangeEvent<HTMLInputElement>} event */
  function choose(event) {
    add(event.currentTarget.files);
    event.currentTarget.value = ''; // so that the same file can be chosen again
  }

  /** @param {string} name */
  function removeFile(name) {
    remove(name);
    button.current?.focus(); // the focused button is gone
  }

  const note = files.length > 0 ? usageText(files, limits) : `Up to ${limits.max_count} files, ${sizeText(limits.max_bytes)} in total.`;
  return (
    <div className="files" role="group" aria-labelledby="files-title" data-over={over || undefined} {...handlers}>
      <div className="files-head">
        <span className="files-title" id="files-title">Files</span>
        <span className="files-note" id="files-note">{note}</span>
        <button ref={button} type="button" className="link" aria-describedby="files-note" onClick={() => input.current?.click()}>
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
      {files.length === 0 && needed.length > 0 && (
        <p className="files-note">{needed.join(', ')} may need files: a test can only read agent.py and the files added here.</p>
      )}
      <div role="alert" className="files-problem">{problem}</div>
    </div>
  );
}
