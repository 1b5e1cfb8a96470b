import { Skeleton, TextInput } from '@mantine/core';
import { textField } from '../components/fieldProps.js';
import { InfoIcon, WarningIcon } from '../components/icons.jsx';
import { ListSelect } from '../components/ListSelect.jsx';
import { modelFacts } from '../lib/format.js';
import { useRestoredFocus } from '../lib/useRestoredFocus.js';
import { capabilityFacts } from './capabilities.js';
import { atOwnServer } from './fields.js';
import { lifecycleWarning, retiredLast, staleList } from './lifecycle.js';
import { fieldId } from './paths.js';
import { Successors } from './Successors.jsx';

/** @import { ComboboxItem, OptionsFilter } from '@mantine/core' */
/** @import { Model, Provider } from '../api/types' */
/** @import { Server } from '../page/useServer.js' */
/** @import { Form } from './useAgentForm.js' */

/** @param {{ model: Model }} props */
function Lifecycle({ model }) {
  if (model.lifecycle === 'current') return null;
  return (
    <span className="lifecycle" data-lifecycle={model.lifecycle}>
      {model.lifecycle} {model.retires_on}
    </span>
  );
}

/** @param {{ model: Model, checked?: boolean }} props */
function ModelOption({ model, checked }) {
  const facts = modelFacts(model);
  const abilities = capabilityFacts(model);
  return (
    <span className="model-option" data-checked={checked}>
      <span className="model-option-name">
        {model.label} <Lifecycle model={model} />
      </span>
      {facts && <span className="model-option-facts">{facts}</span>}
      {abilities && <span className="model-option-facts">{abilities}</span>}
      {model.note && <span className="model-option-facts">{model.note}</span>}
    </span>
  );
}

/**
 * Finds a model by any part of its name or of its id.
 * @type {OptionsFilter}
 */
function filterModels({ options, search }) {
  const wanted = search.trim().toLowerCase();
  return /** @type {ComboboxItem[]} */ (options).filter(({ label, value }) => `${label} ${value}`.toLowerCase().includes(wanted));
}

/** @param {{ model?: Model }} props */
function ModelDescription({ model }) {
  if (!model) return null;
  const facts = modelFacts(model);
  return (
    <>
      {model.label !== model.id && <span className="model-id">{model.id}</span>}
      {facts && <span className="model-facts">{facts}</span>}
      {model.base_url && <span className="model-facts">At {model.base_url}</span>}
    </>
  );
}

/**
 * Notes about the chosen model: that it is deprecated, and which options its choice removed.
 * @param {{ provider: Provider | null, model: Model | null, form: Form, onMove: (id: string) => void }} props
 */
function ModelNotes({ provider, model, form, onMove }) {
  const old = staleList(provider);
  const warning = model && lifecycleWarning(model);
  const region = useRestoredFocus(fieldId('model'));
  return (
    <div ref={region} role="status" className="model-notes">
      {provider && model && warning && (
        <div className="succession" data-lifecycle={model.lifecycle}>
          <div className="field-warning">
            <WarningIcon />
            <p>{warning}</p>
          </div>
          <Successors model={model} models={provider.models} onMove={onMove} />
        </div>
      )}
      {old && <p className="section-text">{old}</p>}
      {form.note && (
        <div className="field-note">
          <InfoIcon />
          <p>{form.note}</p>
          <button type="button" className="link" onClick={form.dismissNote}>OK</button>
        </div>
      )}
    </div>
  );
}

/**
 * Wider than its field: the facts under a model's name need the space.
 * @type {import('../components/ListSelect.jsx').Dropdown}
 */
const MODEL_DROPDOWN = { width: 'min(368px, calc(100vw - 32px))', position: 'bottom-end' };

/** @param {{ form: Form, models: readonly Model[], ready: boolean }} props */
function ModelSelect({ form, models, ready }) {
  const byId = new Map(models.map((model) => [model.id, model]));
  const current = byId.get(form.values.model ?? '');
  return (
    <ListSelect
      id={fieldId('model')}
      label="Model"
      listLabel="Models of this provider"
      className="field-model"
      dropdown={MODEL_DROPDOWN}
      searchable
      openOnFocus={false}
      selectFirstOptionOnChange
      disabled={!ready}
      placeholder={ready ? 'Choose a model' : 'Waiting for the server'}
      data={models.map(({ id, label }) => ({ value: id, label }))}
      value={current ? current.id : null}
      error={form.errors.model}
      description={<ModelDescription model={current} />}
      filter={filterModels}
      nothingFoundMessage="No matching model."
      renderOption={({ option, checked }) => <ModelOption model={/** @type {Model} */ (byId.get(option.value))} checked={checked} />}
      onChange={(model) => form.values.provider && form.chooseModel(form.values.provider, model)}
    />
  );
}

/**
 * A free text: the page doesn't know which models the user's own server has.
 * @param {{ form: Form }} props
 */
function OwnModel({ form }) {
  return (
    <div className="field-model">
      <TextInput
        label="Model"
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        classNames={{ root: 'list-select' }}
        description={`The model’s name at ${form.values.base_url.trim()}`}
        {...textField(form, 'model')}
      />
    </div>
  );
}

/** @param {{ label: string }} props */
function FieldSkeleton({ label }) {
  return (
    <div>
      <div className="skeleton-label">{label}</div>
      <Skeleton height={36} />
    </div>
  );
}

/** Takes the space of the model's facts, so that nothing below moves when they appear. */
function FactsSkeleton() {
  return (
    <div className="skeleton-facts" aria-hidden="true">
      <Skeleton height={10} width="32%" />
      <Skeleton height={10} width="78%" />
    </div>
  );
}

/** @param {{ form: Form, server: Server, provider: Provider | null, onMove: (id: string) => void }} props */
export function ModelFields({ form, server, provider, onMove }) {
  const { catalog } = server;
  if (!catalog && server.status === 'loading') {
    return (
      <div className="field-pair" data-loading>
        <FieldSkeleton label="Provider" />
        <FieldSkeleton label="Model" />
        <FactsSkeleton />
      </div>
    );
  }
  const providers = catalog?.providers ?? [];

  /** @param {string | null} id */
  function chooseProvider(id) {
    const chosen = providers.find((candidate) => candidate.id === id);
    if (chosen) form.chooseModel(chosen.id, chosen.default_model);
  }

  const models = provider?.models ?? [];
  const model = models.find(({ id }) => id === form.values.model) ?? null;
  return (
    <div className="model-fields">
      <div className="field-pair">
        <ListSelect
          id={fieldId('provider')}
          label="Provider"
          listLabel="Available providers"
          className="field-provider"
          disabled={!catalog}
          placeholder={catalog ? 'Choose one' : 'Waiting…'}
          data={providers.map(({ id, label }) => ({ value: id, label }))}
          value={provider?.id ?? null}
          error={form.errors.provider}
          onChange={chooseProvider}
        />
        {atOwnServer(form.values) ? (
          <OwnModel form={form} />
        ) : (
          <ModelSelect form={form} models={retiredLast(models)} ready={Boolean(provider)} />
        )}
      </div>
      <ModelNotes provider={provider} model={model} form={form} onMove={onMove} />
    </div>
  );
}
