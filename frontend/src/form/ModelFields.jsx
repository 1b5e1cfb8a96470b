import { Skeleton, TextInput } from '@mantine/core';
import { capabilityFacts } from './capabilities.js';
import { atOwnServer } from './fields.js';
import { modelFacts } from '../lib/format.js';
import { lifecycleWarning, retiredLast, staleList } from './lifecycle.js';
import { fieldId } from './paths.js';
import { useKeptFocus } from '../lib/useKeptFocus.js';
import { InfoIcon, WarningIcon } from '../components/icons.jsx';
import { textField } from '../components/fieldProps.js';
import { ListSelect } from '../components/ListSelect.jsx';
import { Successors } from './Successors.jsx';

function Lifecycle({ model }) {
  if (model.lifecycle === 'current') return null;
  return (
    <span className="lifecycle" data-lifecycle={model.lifecycle}>
      {model.lifecycle} {model.retires_on}
    </span>
  );
}

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

/** Finds a model by any part of its name or of its id. */
function filterModels({ options, search }) {
  const wanted = search.trim().toLowerCase();
  return options.filter(({ label, value }) => `${label} ${value}`.toLowerCase().includes(wanted));
}

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

/** What is to be said about the chosen model: that it is going, and what a change of it took away. */
function ModelNotes({ provider, model, form, succession }) {
  const old = staleList(provider);
  const warning = model && lifecycleWarning(model);
  const region = useKeptFocus(fieldId('model'));
  return (
    <div ref={region} role="status" className="model-notes">
      {warning && (
        <div className="succession" data-lifecycle={model.lifecycle}>
          <div className="field-warning">
            <WarningIcon />
            <p>{warning}</p>
          </div>
          <Successors model={model} models={provider.models} onMove={succession} />
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

// Wider than its field: the facts under a model's name need the room.
const MODEL_DROPDOWN = { width: 'min(368px, calc(100vw - 32px))', position: 'bottom-end' };

function ModelSelect({ form, models, ready }) {
  const byId = Object.fromEntries(models.map((model) => [model.id, model]));
  const current = byId[form.values.model];
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
      nothingFoundMessage="No model of this provider matches."
      renderOption={({ option, checked }) => <ModelOption model={byId[option.value]} checked={checked} />}
      onChange={(model) => form.chooseModel(form.values.provider, model)}
    />
  );
}

/** What a server of the user's own has, only its owner knows. */
function OwnModel({ form }) {
  return (
    <div className="field-model">
      <TextInput
        label="Model"
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        classNames={{ root: 'list-select' }}
        description={`As ${form.values.base_url.trim()} names it`}
        {...textField(form, 'model')}
      />
    </div>
  );
}

function FieldSkeleton({ label }) {
  return (
    <div>
      <div className="skeleton-label">{label}</div>
      <Skeleton height={36} />
    </div>
  );
}

/** The room of what is said about the model: nothing below moves when it is there. */
function FactsSkeleton() {
  return (
    <div className="skeleton-facts" aria-hidden="true">
      <Skeleton height={10} width="32%" />
      <Skeleton height={10} width="78%" />
    </div>
  );
}

export function ModelFields({ form, server, provider, succession }) {
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

  function chooseProvider(id) {
    const chosen = providers.find((candidate) => candidate.id === id);
    form.chooseModel(id, chosen.default_model);
  }

  const models = provider?.models ?? [];
  const model = models.find(({ id }) => id === form.values.model) ?? null;
  return (
    <div className="model-fields">
      <div className="field-pair">
        <ListSelect
          id={fieldId('provider')}
          label="Provider"
          listLabel="Providers on offer"
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
      <ModelNotes provider={provider} model={model} form={form} succession={succession} />
    </div>
  );
}
