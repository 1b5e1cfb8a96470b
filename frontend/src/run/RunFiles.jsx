import { runFileUrl } from '../api/client.js';
import { sizeText } from '../grants/files.js';
import { DownloadIcon } from '../components/icons.jsx';

/** @import { Exit } from '../api/types' */
/** @import { Run } from './runState.js' */

/** @param {{ id: string, file: Exit['files'][number] }} props */
function WrittenFile({ id, file }) {
  const ownName = file.name.slice(file.name.lastIndexOf('/') + 1);
  return (
    <li className="file">
      <span className="file-name">{file.name}</span>
      <span className="file-size">{sizeText(file.size)}</span>
      <a className="file-save" href={runFileUrl(id, file.name)} download={ownName} aria-label={`Download ${file.name}`}>
        <DownloadIcon />
        <span>Download</span>
      </a>
    </li>
  );
}

/** @param {{ leftOut: Exit['files_left_out'] }} props */
function LeftOut({ leftOut }) {
  if (leftOut.length === 0) return null;
  const parts = leftOut.map(({ reason, count }) => `${reason} (${count})`);
  return <p className="files-note">Not returned: {parts.join(', ')}.</p>;
}

/**
 * The files that the program wrote to its folder.
 * @param {{ run: Run }} props
 */
export function RunFiles({ run }) {
  const files = run.exit?.files ?? [];
  const leftOut = run.exit?.files_left_out ?? [];
  const { id } = run;
  if (!id || (files.length === 0 && leftOut.length === 0)) return null;
  return (
    <div className="run-files">
      <h3 className="section-title">Files</h3>
      {files.length > 0 && (
        <div className="call-list" role="group" aria-label="Files the agent wrote" tabIndex={0}>
          <ul className="file-list">
            {files.map((file) => (
              <WrittenFile key={file.name} id={id} file={file} />
            ))}
          </ul>
        </div>
      )}
      <LeftOut leftOut={leftOut} />
    </div>
  );
}
