import { runFileUrl } from '../api/client.js';
import { sizeText } from '../grants/files.js';
import { DownloadIcon } from '../components/icons.jsx';

function WrittenFile({ run, file }) {
  const ownName = file.name.slice(file.name.lastIndexOf('/') + 1);
  return (
    <li className="file">
      <span className="file-name">{file.name}</span>
      <span className="file-size">{sizeText(file.size)}</span>
      <a className="file-save" href={runFileUrl(run.id, file.name)} download={ownName} aria-label={`Download ${file.name}`}>
        <DownloadIcon />
        <span>Download</span>
      </a>
    </li>
  );
}

function LeftOut({ leftOut }) {
  if (leftOut.length === 0) return null;
  const parts = leftOut.map(({ reason, count }) => `${reason} (${count})`);
  return <p className="files-note">Not returned: {parts.join(', ')}.</p>;
}

/** What the program left in its folder. */
export function RunFiles({ run }) {
  const files = run.exit?.files ?? [];
  const leftOut = run.exit?.files_left_out ?? [];
  if (files.length === 0 && leftOut.length === 0) return null;
  return (
    <div className="run-files">
      <h3 className="section-title">Files</h3>
      {files.length > 0 && (
        <div className="call-list" role="group" aria-label="Files the agent wrote" tabIndex={0}>
          <ul className="file-list">
            {files.map((file) => (
              <WrittenFile key={file.name} run={run} file={file} />
            ))}
          </ul>
        </div>
      )}
      <LeftOut leftOut={leftOut} />
    </div>
  );
}
