import { ChevronIcon } from './icons.jsx';

/** A folded part of the form: one calm line that says what is set in it, until it is opened. */
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

/** What the chosen model can't do with what is set in a section. */
export function Missing({ text }) {
  return text ? <p className="section-caution">{text}</p> : null;
}

/** The message of a whole section, where no one field of it has it. */
export function SectionError({ id, text }) {
  return text ? <p className="section-error" id={id} tabIndex={-1} role="alert">{text}</p> : null;
}
