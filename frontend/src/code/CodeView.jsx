import { useImperativeHandle, useMemo, useRef } from 'react';
import { highlightPython } from '../editor/highlight.js';

/** @import { CSSProperties, Ref } from 'react' */
/** @typedef {{ first_line: number, last_line: number }} Lines counted from 1, both ends included */
/** @typedef {Lines & { tone: string }} Mark */
/** @typedef {{ show: (line: number) => void }} CodeHandle */

/** @param {string} code */
function lineNumbers(code) {
  const lines = code.replace(/\n$/, '').split('\n').length;
  return Array.from({ length: lines }, (_, index) => index + 1).join('\n');
}

/**
 * Bars behind marked lines: separate elements, so that the code's text stays unchanged.
 * @param {{ marks: Mark[] }} props
 */
function Marks({ marks }) {
  return marks.map(({ first_line: first, last_line: last, tone }, index) => (
    <span
      key={index}
      className="code-mark"
      data-tone={tone}
      style={/** @type {CSSProperties} */ ({ '--first': first, '--count': Math.max(1, last - first + 1) })}
      aria-hidden="true"
    />
  ));
}

/**
 * The numbers are a column of their own, so that neither a selection nor the code's text includes them.
 * Lines don't wrap: number and line stay side by side, and the panel scrolls. `ref.show(line)` scrolls to a line.
 * @param {{ ref: Ref<CodeHandle>, code: string, filename: string, marks: Mark[] }} props
 */
export function CodeView({ ref, code, filename, marks }) {
  const html = useMemo(() => highlightPython(code), [code]);
  const numbers = useMemo(() => lineNumbers(code), [code]);
  const view = useRef(/** @type {HTMLDivElement | null} */ (null));

  useImperativeHandle(ref, () => ({
    show(line) {
      if (!view.current) return;
      const { scrollHeight, clientHeight } = view.current;
      const lines = code.split('\n').length;
      view.current.scrollTop = ((line - 1) / lines) * scrollHeight - clientHeight / 3;
      view.current.focus({ preventScroll: false });
    },
  }), [code]);

  return (
    <div ref={view} id="code-view" className="code" role="group" aria-label={`Source of ${filename}`} tabIndex={0}>
      <pre className="code-numbers" aria-hidden="true">{numbers}</pre>
      <pre className="code-lines">
        <Marks marks={marks} />
        {/* The highlighter escapes everything but its own tags. */}
        <code data-testid="code" dangerouslySetInnerHTML={{ __html: html }} />
      </pre>
    </div>
  );
}
