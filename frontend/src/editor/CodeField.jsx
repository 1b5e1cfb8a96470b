import { useId, useMemo, useRef, useState } from 'react';
import { dedent, indent, newline } from './editing.js';
import { highlightPython } from './highlight.js';
import { lineOf } from './toolCode.js';

/** Puts a piece of text in as typing would, so that the browser's own undo knows of it. */
function insert(area, { from, to, piece, start, end }) {
  area.setSelectionRange(from, to);
  const done = piece === '' ? document.execCommand('delete') : document.execCommand('insertText', false, piece);
  if (!done) {
    area.setRangeText(piece, from, to, 'end');
    area.dispatchEvent(new Event('input', { bubbles: true }));
  }
  area.setSelectionRange(start, end);
}

const plain = (event) => !event.ctrlKey && !event.metaKey && !event.altKey;

/**
 * Tab indents only in a field that is being written in: who comes by Tab goes on by Tab, and Escape
 * ends the writing. So nobody is caught in it.
 */
function useCodeKeys() {
  const [writing, setWriting] = useState(false);

  function onKeyDown(event) {
    const area = event.currentTarget;
    if (event.key === 'Escape' && writing) {
      event.stopPropagation();
      setWriting(false);
      return;
    }
    if (!plain(event)) return;
    const state = { text: area.value, start: area.selectionStart, end: area.selectionEnd };
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
 */
export function CodeField({ id, label, value, error, minLines = 5, onChange }) {
  const hint = useId();
  const message = useId();
  const area = useRef(null);
  const { writing, handlers } = useCodeKeys();
  const html = useMemo(() => highlightPython(value), [value]);
  const lines = Math.max(minLines, value.split('\n').length);
  const bad = lineOf(error);
  return (
    <div className="code-field">
      <label htmlFor={id}>{label}</label>
      <div className="editor" data-invalid={Boolean(error) || undefined}>
        <Numbers count={lines} bad={bad} />
        <div className="editor-text" style={{ '--lines': lines }}>
          {bad && <span className="editor-bad" style={{ '--line': bad }} />}
          {/* The highlighter escapes everything that it did not make itself. */}
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
      <p className="code-hint" id={hint} data-shown={writing || undefined}>Tab indents. Esc, then Tab, leaves the field.</p>
    </div>
  );
}
