import { useId, useMemo, useRef, useState } from 'react';
import { dedent, indent, newline } from './editing.js';
import { highlightPython } from './highlight.js';

/** @import { CSSProperties, KeyboardEvent } from 'react' */
/** @import { Change } from './editing.js' */

/**
 * Inserts a piece of text as typing would, so that it is in the browser's own undo history.
 * @param {HTMLTextAreaElement} area
 * @param {Change} change
 */
function insert(area, { from, to, piece, start, end }) {
  area.setSelectionRange(from, to);
  const done = piece === '' ? document.execCommand('delete') : document.execCommand('insertText', false, piece);
  if (!done) {
    area.setRangeText(piece, from, to, 'end');
    area.dispatchEvent(new Event('input', { bubbles: true }));
  }
  area.setSelectionRange(start, end);
}

/** @param {KeyboardEvent} event */
const plain = (event) => !event.ctrlKey && !event.metaKey && !event.altKey;

/**
 * Tab indents only while the user is writing in the field: a user who came by Tab moves on by Tab, and
 * Escape ends the writing. So the field never traps the keyboard.
 */
function useCodeKeys() {
  const [writing, setWriting] = useState(false);

  /** @param {KeyboardEvent<HTMLTextAreaElement>} event */
  function onKeyDown(event) {
    const area = event.currentTarget;
    if (event.key === 'Escape' && writing) {
      event.stopPropagation();
      setWriting(false);
      return;
    }
    if (!plain(event)) return;
    const state = { text: area.value, start: area.selectionStart, end: area.selectionEnd };
    /** @type {Change | null} */
    let change = null;
    if (event.key === 'Tab' && writing) change = event.shiftKey ? dedent(state) : indent(state);
    if (event.key === 'Enter' && !event.nativeEvent.isComposing) change = newline(state);
    if (!change) return;
    event.preventDefault();
    insert(area, change);
  }

  return {
    writing,
    handlers: {
      onKeyDown,
      onPointerDown: () => setWriting(true),
      onInput: () => setWriting(true),
      onBlur: () => setWriting(false),
    },
  };
}

/** @param {{ count: number, bad?: number }} props */
function Numbers({ count, bad }) {
  return (
    <pre className="editor-numbers" aria-hidden="true">
      {Array.from({ length: count }, (_, index) => (
        <span key={index} data-bad={index + 1 === bad || undefined}>{`${index + 1}\n`}</span>
      ))}
    </pre>
  );
}

/**
 * A field for source: a plain text area, so that every browser, screen reader and keyboard works with
 * it as with any other, with colours painted behind its transparent letters and the lines numbered.
 * `line` is the line that the error is about.
 * @param {{ id: string, label: string, value: string, error?: string, line?: number, minLines?: number, onChange: (text: string) => void }} props
 */
export function CodeField({ id, label, value, error, line, minLines = 5, onChange }) {
  const hint = useId();
  const message = useId();
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const { writing, handlers } = useCodeKeys();
  const html = useMemo(() => highlightPython(value), [value]);
  const lines = Math.max(minLines, value.split('\n').length);
  const bad = error ? line : undefined;
  return (
    <div className="code-field">
      <label htmlFor={id}>{label}</label>
      <div className="editor" data-invalid={Boolean(error) || undefined}>
        <Numbers count={lines} bad={bad} />
        <div className="editor-text" style={/** @type {CSSProperties} */ ({ '--lines': lines })}>
          {bad && <span className="editor-bad" style={/** @type {CSSProperties} */ ({ '--line': bad })} />}
          {/* The highlighter escapes everything but its own tags. */}
          <pre className="editor-paint" aria-hidden="true" dangerouslySetInnerHTML={{ __html: `${html}\n` }} />
          <textarea
            ref={area}
            id={id}
            value={value}
            wrap="off"
            spellCheck={false}
            autoCapitalize="off"
            autoComplete="off"
            autoCorrect="off"
            aria-invalid={Boolean(error) || undefined}
            aria-describedby={error ? `${message} ${hint}` : hint}
            onChange={(event) => onChange(event.currentTarget.value)}
            {...handlers}
          />
        </div>
      </div>
      {error && <p className="code-error" id={message}>{error}</p>}
      <p className="code-hint" id={hint} data-shown={writing || undefined}>Tab indents. Press Esc, then Tab to leave the field.</p>
    </div>
  );
}
