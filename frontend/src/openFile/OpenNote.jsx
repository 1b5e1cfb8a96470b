import { CloseButton } from '@mantine/core';
import { CheckIcon, CrossIcon, InfoIcon, WarningIcon } from '../components/icons.jsx';
import { count, sentence } from '../lib/format.js';
import { useRestoredFocus } from '../lib/useRestoredFocus.js';

/** @import { ReactNode } from 'react' */
/** @import * as Opening from './useOpenFile.js' */
/** @typedef {Opening.Opener} Opener */

/** @param {{ tone: string, icon: ReactNode, title: string, onClose: () => void, children: ReactNode }} props */
function Card({ tone, icon, title, onClose, children }) {
  return (
    <div className="open-note" data-tone={tone}>
      {icon}
      <div className="open-note-body">
        <strong>{title}</strong>
        {children}
      </div>
      <CloseButton size="sm" onClick={onClose} aria-label="Dismiss" />
    </div>
  );
}

/** @param {number} edits */
function editsText(edits) {
  if (edits === 0) return 'Loaded into the form. No manual edits found.';
  return `Loaded into the form. ${edits === 1 ? '1 manual edit' : `${count(edits)} manual edits`} kept (highlighted in the code).`;
}

/** @param {{ opened: Opening.Opened, onClose: () => void }} props */
function Opened({ opened: { name, edits, notes }, onClose }) {
  return (
    <Card tone="good" icon={<CheckIcon />} title={`Opened ${name}`} onClose={onClose}>
      {notes ? [...notes, 'Press Generate to write its agent file.'].map((note) => <p key={note}>{note}</p>) : <p>{editsText(edits)}</p>}
    </Card>
  );
}

/** @param {{ opener: Opener, foreign: Opening.Foreign }} props */
function Foreign({ opener, foreign }) {
  return (
    <Card tone="caution" icon={<WarningIcon />} title={`Can’t open ${foreign.name}`} onClose={opener.dismiss}>
      <p>{foreign.why}</p>
      {foreign.importable && (
        <>
          <p>It uses OpenAI’s Agents SDK: parts of it can be imported.</p>
          <button type="button" className="link" onClick={() => opener.importForeign(foreign, undefined)}>Import what is supported</button>
        </>
      )}
    </Card>
  );
}

/** @param {{ row: Opening.Report['rows'][number] }} props */
function Row({ row }) {
  return (
    <li className="report-row" data-carried={row.carried}>
      {row.carried ? <CheckIcon /> : <CrossIcon />}
      <span>
        <span className="sr-only">{row.carried ? 'Imported: ' : 'Not imported: '}</span>
        {row.what}
        {row.line && <span className="report-line">, line {row.line}</span>}
        {row.note && <span className="report-note">{sentence(row.note)}</span>}
      </span>
    </li>
  );
}

/**
 * The other agents of an imported program: an agent file has only one.
 * @param {{ report: Opening.Report, onImport: Opener['importForeign'] }} props
 */
function Others({ report, onImport }) {
  if (report.others.length === 0) return null;
  return (
    <p className="report-others">
      Other agents in this file:{' '}
      {report.others.map((agent) => (
        <button key={agent} type="button" className="link" onClick={() => onImport(report, agent)}>
          {agent}
        </button>
      ))}
    </p>
  );
}

/**
 * What was imported and what was not; that first, as the user has to act on it.
 * @param {{ report: Opening.Report, onImport: Opener['importForeign'], onClose: () => void }} props
 */
function Report({ report, onImport, onClose }) {
  const { name, rows } = report;
  const imported = rows.filter((row) => row.carried);
  const left = rows.filter((row) => !row.carried);
  return (
    <Card tone="quiet" icon={<InfoIcon />} title={`Imported from ${name}`} onClose={onClose}>
      <p>{`${count(imported.length)} imported, ${count(left.length)} not.`}</p>
      <Others report={report} onImport={onImport} />
      <div id="import-report" className="report" role="group" aria-label="Import report" tabIndex={0}>
        <ul>
          {[...left, ...imported].map((row, index) => (
            <Row key={index} row={row} />
          ))}
        </ul>
      </div>
    </Card>
  );
}

/**
 * The result of opening a file. The empty region is always there, so that filling it is announced.
 * @param {{ opener: Opener }} props
 */
export function OpenNote({ opener }) {
  const { reading, problem, opened, report, foreign, dismiss } = opener;
  const region = useRestoredFocus('import-report', 'open-file');
  return (
    <div ref={region} role="status" className="open-region">
      {reading && <p className="open-reading">Reading the file…</p>}
      {problem && (
        <Card tone="bad" icon={<WarningIcon />} title={problem.title} onClose={dismiss}>
          <p>{problem.text}</p>
        </Card>
      )}
      {opened && <Opened opened={opened} onClose={dismiss} />}
      {foreign && <Foreign opener={opener} foreign={foreign} />}
      {report && <Report report={report} onImport={opener.importForeign} onClose={dismiss} />}
    </div>
  );
}
