import { Checkbox, TextInput } from '@mantine/core';
import { DEFAULTS, takesTurns } from './fields.js';
import { summaries } from './summaries.js';
import { checkField, numberField } from '../components/fieldProps.js';
import { Section } from '../components/Section.jsx';

/** Without tools a task is one call, which max tokens bounds. */
function TurnFields({ form }) {
  if (!takesTurns(form.values)) return null;
  return (
    <>
      <TextInput label="Turns" description="Model calls of one task, at most." placeholder={String(DEFAULTS.max_turns)} {...numberField(form, 'max_turns')} />
      <TextInput label="Token budget" description="Of one task, in and out." placeholder="No bound" {...numberField(form, 'token_budget')} />
    </>
  );
}

export function ConversationSection({ form }) {
  const summary = summaries.conversation(form.values);
  return (
    <Section id="conversation" title="Conversation and limits" summary={summary} plain={summary === 'Defaults'} form={form}>
      <Checkbox
        label="Chat in a terminal"
        description={<>Adds <code>--chat</code>: questions and answers until you leave.</>}
        {...checkField(form, 'chat')}
      />
      <Checkbox
        label="Usage line"
        description={<>Tokens of each task on stderr, and <code>--json</code> for machines.</>}
        {...checkField(form, 'usage')}
      />
      <div className="field-grid">
        <TurnFields form={form} />
        <TextInput label="Time-out" description="Seconds of one model call." placeholder="The SDK’s own" {...numberField(form, 'timeout_s')} />
        <TextInput label="Retries" description="Of a call that failed." placeholder={String(DEFAULTS.retries)} {...numberField(form, 'retries')} />
      </div>
    </Section>
  );
}
