import { useMemo } from 'react';
import { highlightPython } from '../highlight.js';

function lineNumbers(code) {
  const lines = code.replace(/\n$/, '').split('\n').length;
  return Array.from({ length: lines }, (_, index) => index + 1).join('\n');
}

/**
 * The numbers are a column of their own, so that neither a selection nor the code's text holds them.
 * Lines don't wrap: number and line stay side by side, and the panel scrolls.
 */
export function CodeView({ code, filename }) {
  const html = useMemo(() => highlightPython(code), [code]);
  const numbers = useMemo(() => lineNumbers(code), [code]);
  return (
    <div className="code" role="group" aria-label={`Source of ${filename}`} tabIndex={0}>
      <pre className="code-numbers" aria-hidden="true">{numbers}</pre>
      <pre className="code-lines">
        {/* The highlighter escapes everything that it did not make itself. */}
        <code data-testid="code" dangerouslySetInnerHTML={{ __html: html }} />
      </pre>
    </div>
  );
}
