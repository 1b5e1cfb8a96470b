import { CloseButton } from '@mantine/core';
import { count, sentence } from '../lib/format.js';
import { useKeptFocus } from '../lib/useKeptFocus.js';
import { CheckIcon, CrossIcon, InfoIcon, WarningIcon } from '../components/icons.jsx';

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

function parts(number) {
  return number === 1 ? '1 hand-written part is kept' : `${count(number)} hand-written parts are kept`;
}

function SpecOpened({ opened: { name, notes }, onClose }) {
  return (
    <Card tone="good" icon={<CheckIcon />} title={`${name} is in the form`} onClose={onClose}>
      {notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
      <p>Generate writes the agent file of this spec.</p>
    </Card>
  );
}

function Opened({ opened: { name, edits }, onClose }) {
  return (
    <Card tone="good" icon={<CheckIcon />} title={`${name} is open`} onClose={onClose}>
      <p>{edits > 0 ? `Its values are in the form. ${parts(edits)}, and marked in the code.` : 'Its values are in the form. Nothing in it was written by hand.'}</p>
    </Card>
  );
}

function Foreign({ opener }) {
  const { foreign, importForeign, dismiss } = opener;
  return (
    <Card tone="caution" icon={<WarningIcon />} title={`${foreign.name} was not opened`} onClose={dismiss}>
      <p>{foreign.why}</p>
      {foreign.importable && (
        <>
          <p>It uses OpenAI’s Agents SDK: what can be carried over can be imported.</p>
          <button type="button" className="link" onClick={() => importForeign(foreign)}>Import what can be carried over</button>
        </>
      )}
    </Card>
  );
}

function Row({ row }) {
  return (
    <li className="report-row" data-carried={row.carried}>
      {row.carried ? <CheckIcon /> : <CrossIcon />}
      <span>
        <span className="sr-only">{row.carried ? 'Carried over: ' : 'Not carried over: '}</span>
        {row.what}
        {row.line && <span className="report-line">, line {row.line}</span>}
        {row.note && <span className="report-note">{sentence(row.note)}</span>}
      </span>
    </li>
  );
}

/** The other agents of an imported program: a file here holds one. */
function Others({ report, onImport }) {
  if (report.others.length === 0) return null;
  return (
    <p className="report-others">
      Other agents in it:{' '}
      {report.others.map((agent) => (
        <button key={agent} type="button" className="link" onClick={() => onImport(report, agent)}>
          {agent}
        </button>
      ))}
    </p>
  );
}

/** What an import brought and what it could not; that first, as it asks for work. */
function Report({ report, onImport, onClose }) {
  const { name, rows } = report;
  const carried = rows.filter((row) => row.carried);
  const left = rows.filter((row) => !row.carried);
  return (
    <Card tone="quiet" icon={<InfoIcon />} title={`Imported from ${name}`} onClose={onClose}>
      <p>{`${count(carried.length)} carried over, ${count(left.length)} not.`}</p>
      <Others report={report} onImport={onImport} />
      <div id="import-report" className="report" role="group" aria-label="Report of the import" tabIndex={0}>
        <ul>
          {[...left, ...carried].map((row, index) => (
            <Row key={index} row={row} />
          ))}
        </ul>
      </div>
    </Card>
  );
}

/** What came of opening a file. The empty region is always there, so that filling it is announced. */
export function OpenNote({ opener }) {
  const { reading, problem, opened, report, foreign, dismiss } = opener;
  const region = useKeptFocus('import-report', 'open-file');
  return (
    <div ref={region} role="status" className="open-region">
      {reading && <p className="open-reading">Reading the file…</p>}
      {problem && (
        <Card tone="bad" icon={<WarningIcon />} title={problem.title} onClose={dismiss}>
          <p>{problem.text}</p>
        </Card>
      )}
      {opened && (opened.notes ? <SpecOpened opened={opened} onClose={dismiss} /> : <Opened opened={opened} onClose={dismiss} />)}
      {foreign && <Foreign opener={opener} />}
      {report && <Report report={report} onImport={opener.importForeign} onClose={dismiss} />}
    </div>
  );
}
