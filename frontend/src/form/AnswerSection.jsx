import { Missing, Section } from '../components/Section.jsx';
import { CodeField } from '../editor/CodeField.jsx';
import { NEW_ANSWER } from '../editor/examples.js';
import { errorAt, fieldId } from './paths.js';
import { summaries } from './summaries.js';
import { focusLater } from './useList.js';

/** @import { Form } from './useAgentForm.js' */
/** @import { Inspection } from './useInspection.js' */

/** @param {{ form: Form, inspection: Inspection, missing?: string }} props */
export function AnswerSection({ form, inspection, missing }) {
  const { answer } = form.values;
  const set = answer.trim() !== '';
  const id = fieldId('answer');

  function start() {
    form.change({ answer: NEW_ANSWER });
    focusLater(id);
  }

  function clear() {
    form.change({ answer: '' });
    focusLater(id);
  }

  return (
    <Section id="answer" title="Typed answer" summary={summaries.answer(form.values, inspection)} plain={!set} form={form}>
      <p className="section-text">
        Structured data instead of text: the answer is validated against a Pydantic model or a JSON Schema and printed as JSON.
      </p>
      <Missing text={missing} />
      <CodeField
        id={id}
        label="Pydantic model or JSON Schema"
        value={answer}
        error={errorAt(form.errors, 'answer')}
        line={errorAt(form.lines, 'answer')}
        onChange={(text) => form.change({ answer: text })}
      />
      <div className="section-links">
        {set ? (
          <button type="button" className="link" onClick={clear}>Clear</button>
        ) : (
          <button type="button" className="link" onClick={start}>Start from an example</button>
        )}
      </div>
    </Section>
  );
}
