import { Checkbox, Textarea, TextInput } from '@mantine/core';
import { capabilitiesOf, offered } from './capabilities.js';
import { DEFAULTS, OWN_SERVER_PROVIDER } from './fields.js';
import { count } from '../lib/format.js';
import { fieldId } from './paths.js';
import { summaries } from './summaries.js';
import { checkField, numberField, textField } from '../components/fieldProps.js';
import { ListSelect } from '../components/ListSelect.jsx';
import { Section } from '../components/Section.jsx';

const THINKING = { adaptive: 'Adaptive', between_tools: 'Between tool calls', disabled: 'Off' };
const EFFORT = { low: 'Low', medium: 'Medium', high: 'High', xhigh: 'Extra high', max: 'Max' };

/** A choice the model has; its own default stands first. */
function Choice({ form, model, field, label, words }) {
  const choices = offered(field, form.values, model, words);
  if (choices.length === 0) return null;
  return (
    <ListSelect
      id={fieldId(field)}
      label={label}
      listLabel={`${label}: choices of this model`}
      data={[{ value: '', label: 'Default' }, ...choices.map((value) => ({ value, label: words[value] ?? value }))]}
      value={form.values[field]}
      error={form.errors[field]}
      onChange={(value) => form.change({ [field]: value ?? '' })}
    />
  );
}

/** Anything that speaks OpenAI's protocol; the model is then named freely. */
function OwnServer({ form }) {
  if (form.values.provider !== OWN_SERVER_PROVIDER) return null;
  return (
    <TextInput
      label="Server of your own"
      description="Ollama, vLLM, llama.cpp or an Inference Endpoint: the agent calls it instead of Hugging Face."
      placeholder="http://127.0.0.1:11434/v1"
      classNames={{ input: 'mono' }}
      {...textField(form, 'base_url')}
    />
  );
}

function lacks(can) {
  return [
    can.thinking.length === 0 && 'thinking',
    can.effort.length === 0 && 'effort',
    !can.prompt_caching && 'prompt caching',
  ].filter(Boolean);
}

export function ModelOptions({ form, model }) {
  const can = capabilitiesOf(model);
  const most = can.max_output_tokens;
  const lacking = lacks(can);
  const summary = summaries.options(form.values);
  return (
    <Section id="options" title="Model options" summary={summary} plain={summary === 'Defaults'} form={form}>
      <div className="field-grid">
        <TextInput
          label="Max tokens"
          description={most ? `Of one answer: at most ${count(most)}.` : 'Of one answer.'}
          placeholder={count(Math.min(DEFAULTS.max_tokens, most ?? Infinity))}
          {...numberField(form, 'max_tokens')}
        />
        <Choice form={form} model={model} field="thinking" label="Thinking" words={THINKING} />
        <Choice form={form} model={model} field="effort" label="Effort" words={EFFORT} />
      </div>
      <Textarea
        label="Stop sequences"
        description="One a line; \n stands for a line break. The answer ends where one would come."
        autosize
        minRows={1}
        maxRows={6}
        classNames={{ input: 'mono' }}
        {...textField(form, 'stop_sequences')}
      />
      {(can.prompt_caching || form.values.cache_prompt) && (
        <Checkbox
          label="Cache the prompt"
          description="A long system prompt is read again at a fraction of its price."
          {...checkField(form, 'cache_prompt')}
        />
      )}
      <OwnServer form={form} />
      {model && lacking.length > 0 && <p className="section-text">{model.label} has no choice of {either(lacking)}.</p>}
    </Section>
  );
}

function either(words) {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
