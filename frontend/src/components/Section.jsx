import { ChevronIcon } from './icons.jsx';

/** @import { ReactNode } from 'react' */
/** @import { Form } from '../form/useAgentForm.js' */

/**
 * A folded part of the form: one quiet line that says what is set in it, until it is opened.
 * @param {{ id: string, title: string, summary: string, plain: boolean, form: Form, children: ReactNode }} props
 */
export function Section({ id, title, summary, plain, form, children }) {
  const open = form.opened.has(id);
  const body = `section-${id}`;
  return (
    <div className="section">
      <h3 className="section-heading">
        <button
          type="button"
          className="section-head"
          aria-expanded={open}
          aria-controls={body}
          onClick={() => form.setOpen([id], !open)}
        >
          <ChevronIcon />
          <span className="section-name">{title}</span>
          <span className="section-summary" data-plain={plain || undefined}>{summary}</span>
        </button>
      </h3>
      <div id={body} className="section-body" hidden={!open}>{open && children}</div>
    </div>
  );
}

/**
 * Says what the chosen model doesn't support of a section.
 * @param {{ text?: string }} props
 */
export function Missing({ text }) {
  return text ? <p className="section-caution">{text}</p> : null;
}

/**
 * A message about a whole section, which no single field of it shows.
 * @param {{ id: string, text?: string }} props
 */
export function SectionError({ id, text }) {
  return text ? <p className="section-error" id={id} tabIndex={-1} role="alert">{text}</p> : null;
}
