import { Checkbox, Textarea, TextInput } from '@mantine/core';
import { checkField, numberField, textField } from '../components/fieldProps.js';
import { ListSelect } from '../components/ListSelect.jsx';
import { Section } from '../components/Section.jsx';
import { count } from '../lib/format.js';
import { capabilitiesOf, offered } from './capabilities.js';
import { CHOICES, choiceLabel } from './choices.js';
import { fieldId } from './paths.js';
import { summaries } from './summaries.js';

/** @import { Capabilities, Model, Provider } from '../api/types' */
/** @import { Defaults } from '../components/fieldProps.js' */
/** @import { Form } from './useAgentForm.js' */

/**
 * The choices that the model supports; its own default is the first.
 * @param {{ form: Form, model: Model | null, field: 'thinking' | 'effort', label: string }} props
 */
function Choice({ form, model, field, label }) {
  const choices = offered(field, form.values, model, CHOICES[field]);
  if (choices.length === 0) return null;
  return (
    <ListSelect
      id={fieldId(field)}
      label={label}
      listLabel={`${label}: choices of this model`}
      data={[{ value: '', label: 'Default' }, ...choices.map((value) => ({ value, label: choiceLabel(field, value) }))]}
      value={form.values[field]}
      error={form.errors[field]}
      onChange={(value) => form.change({ [field]: value ?? '' })}
    />
  );
}

/**
 * Anything that speaks OpenAI's protocol; the model's name is then free text.
 * @param {{ form: Form }} props
 */
function OwnServer({ form }) {
  return (
    <TextInput
      label="Your own model server"
      description="Ollama, vLLM, llama.cpp or an Inference Endpoint: the agent calls it instead of Hugging Face."
      placeholder="http://127.0.0.1:11434/v1"
      classNames={{ input: 'mono' }}
      {...textField(form, 'base_url')}
    />
  );
}

/** @param {Capabilities} can */
function lacks(can) {
  const lacking = [];
  if (can.thinking?.length === 0) lacking.push('thinking');
  if (can.effort?.length === 0) lacking.push('effort');
  if (!can.prompt_caching) lacking.push('prompt caching');
  return lacking;
}

/** @param {{ form: Form, provider: Provider | null, model: Model | null, defaults: Defaults }} props */
export function ModelOptions({ form, provider, model, defaults }) {
  const can = capabilitiesOf(model);
  const most = can.max_output_tokens;
  const lacking = lacks(can);
  const summary = summaries.options(form.values);
  return (
    <Section id="options" title="Model options" summary={summary} plain={summary === 'Defaults'} form={form}>
      <div className="field-grid">
        <TextInput
          label="Max tokens"
          description={`Max output tokens per response${most ? ` (up to ${count(most)})` : ''}.`}
          placeholder={defaults.max_tokens ? count(Math.min(defaults.max_tokens, most ?? Infinity)) : undefined}
          {...numberField(form, 'max_tokens')}
        />
        <Choice form={form} model={model} field="thinking" label="Thinking" />
        <Choice form={form} model={model} field="effort" label="Effort" />
      </div>
      <Textarea
        label="Stop sequences"
        description="One per line. Generation stops at the first match. Use \n for a newline."
        autosize
        minRows={1}
        maxRows={6}
        classNames={{ input: 'mono' }}
        {...textField(form, 'stop_sequences')}
      />
      {(can.prompt_caching || form.values.cache_prompt) && (
        <Checkbox
          label="Cache the prompt"
          description="Caches the system prompt; repeat calls cost less."
          {...checkField(form, 'cache_prompt')}
        />
      )}
      {provider?.takes_base_url && <OwnServer form={form} />}
      {model && lacking.length > 0 && <p className="section-text">{model.label} doesn’t support {either(lacking)}.</p>}
    </Section>
  );
}

/** @param {string[]} words */
function either(words) {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
