import { useImperativeHandle, useMemo, useRef } from 'react';
import { highlightPython } from '../editor/highlight.js';

function lineNumbers(code) {
  const lines = code.replace(/\n$/, '').split('\n').length;
  return Array.from({ length: lines }, (_, index) => index + 1).join('\n');
}

/** Bars behind the lines of `marks`, `{first_line, last_line, tone}`: drawn apart, so that the code's text stays its own. */
function Marks({ marks }) {
  return marks.map(({ first_line: first, last_line: last, tone }, index) => (
    <span
      key={index}
      className="code-mark"
      data-tone={tone}
      style={{ '--first': first, '--count': Math.max(1, last - first + 1) }}
      aria-hidden="true"
    />
  ));
}

/**
 * The numbers are a column of their own, so that neither a selection nor the code's text holds them.
 * Lines don't wrap: number and line stay side by side, and the panel scrolls. `ref.show(line)` goes there.
 */
export function CodeView({ ref, code, filename, marks }) {
  const html = useMemo(() => highlightPython(code), [code]);
  const numbers = useMemo(() => lineNumbers(code), [code]);
  const view = useRef(null);

  useImperativeHandle(ref, () => ({
    show(line) {
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
        {/* The highlighter escapes everything that it did not make itself. */}
        <code data-testid="code" dangerouslySetInnerHTML={{ __html: html }} />
      </pre>
    </div>
  );
}
