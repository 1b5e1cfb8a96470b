import { Checkbox, TextInput } from '@mantine/core';
import { checkField, numberField } from '../components/fieldProps.js';
import { Section } from '../components/Section.jsx';
import { takesTurns } from './fields.js';
import { summaries } from './summaries.js';

/** @import { Defaults } from '../components/fieldProps.js' */
/** @import { Form } from './useAgentForm.js' */

/**
 * Limits of the model calls of one task: without tools a task is one call, which max tokens limits.
 * @param {{ form: Form, defaults: Defaults }} props
 */
function TurnFields({ form, defaults }) {
  if (!takesTurns(form.values)) return null;
  return (
    <>
      <TextInput label="Turns" description="Max model calls per task." placeholder={String(defaults.max_turns ?? '')} {...numberField(form, 'max_turns')} />
      <TextInput label="Token budget" description="Max tokens per task, input and output." placeholder="No limit" {...numberField(form, 'token_budget')} />
    </>
  );
}

/** @param {{ form: Form, defaults: Defaults }} props */
export function ConversationSection({ form, defaults }) {
  const summary = summaries.conversation(form.values);
  return (
    <Section id="conversation" title="Conversation and limits" summary={summary} plain={summary === 'Defaults'} form={form}>
      <Checkbox
        label="Chat in a terminal"
        description={<>Adds <code>--chat</code>: ask follow-up questions in the terminal.</>}
        {...checkField(form, 'chat')}
      />
      <Checkbox
        label="Usage line"
        description={<>Prints the tokens used per task to stderr. Adds <code>--json</code> for machine-readable output.</>}
        {...checkField(form, 'usage')}
      />
      <div className="field-grid">
        <TurnFields form={form} defaults={defaults} />
        <TextInput label="Timeout" description="Timeout per model call (s)." placeholder="SDK default" {...numberField(form, 'timeout_s')} />
        <TextInput label="Retries" description="Retries per failed call." placeholder={String(defaults.retries ?? '')} {...numberField(form, 'retries')} />
      </div>
    </Section>
  );
}
