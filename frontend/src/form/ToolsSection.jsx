import { PlusIcon } from '../components/icons.jsx';
import { Missing, Section, SectionError } from '../components/Section.jsx';
import { NEW_TOOL } from '../editor/examples.js';
import { newTool } from './fields.js';
import { errorAt, fieldId } from './paths.js';
import { summaries } from './summaries.js';
import { ToolItem } from './ToolItem.jsx';
import { focusLater, useList } from './useList.js';

/** @import { GalleryTool } from '../api/types' */
/** @import { Form } from './useAgentForm.js' */
/** @import { Inspection } from './useInspection.js' */

const NEEDS = { files: 'reads files', hosts: 'uses the network' };

/** @param {{ entry: GalleryTool, onAdd: () => void }} props */
function GalleryEntry({ entry, onAdd }) {
  return (
    <li className="gallery-entry">
      <button type="button" className="gallery-add" onClick={onAdd}>
        <PlusIcon />
        <span className="entry-text">
          <span className="gallery-name">
            <span>
              <span className="sr-only">Add </span>
              {entry.label}
            </span>
            {entry.needs && <span className="tag">{NEEDS[entry.needs]}</span>}
          </span>
          <span className="entry-note">{entry.description}</span>
        </span>
      </button>
    </li>
  );
}

/**
 * The gallery tools that are not in the form yet, and a button to write one.
 * @param {{ gallery: readonly GalleryTool[], form: Form, inspection: Inspection, onAdd: (entry: GalleryTool) => void, onWrite: () => void }} props
 */
function AddTools({ gallery, form, inspection, onAdd, onWrite }) {
  const { tools } = form.values;
  const added = (/** @type {GalleryTool} */ { id, code }) => tools.some((tool) => tool.code === code || inspection.outlines[tool.key]?.name === id);
  return (
    <div className="gallery">
      <h4 className="gallery-title">Add a tool</h4>
      <ul>
        <li className="gallery-entry">
          <button type="button" id="tool-write" className="gallery-add" onClick={onWrite}>
            <PlusIcon />
            <span className="entry-text">
              <span className="gallery-name">Write your own</span>
              <span className="entry-note">A Python function with types and a docstring.</span>
            </span>
          </button>
        </li>
        {gallery.filter((entry) => !added(entry)).map((entry) => (
          <GalleryEntry key={entry.id} entry={entry} onAdd={() => onAdd(entry)} />
        ))}
      </ul>
    </div>
  );
}

/** @param {{ form: Form, gallery: readonly GalleryTool[], inspection: Inspection, missing?: string }} props */
export function ToolsSection({ form, gallery, inspection, missing }) {
  const { entries, add, update, remove, move } = useList(form, 'tools');

  function write() {
    const tool = newTool(NEW_TOOL);
    add(tool);
    form.setOpen([`tool-${tool.key}`], true);
    focusLater(fieldId(`tools.${entries.length}.code`));
  }

  /** @param {GalleryTool} entry */
  function addReady(entry) {
    const tool = newTool(entry.code);
    add(tool);
    focusLater(`tool-${tool.key}-toggle`);
  }

  /** @param {number} index */
  function removeAt(index) {
    remove(index);
    const next = entries[index + 1] ?? entries[index - 1];
    focusLater(next ? `tool-${next.key}-toggle` : 'tool-write');
  }

  /**
   * @param {number} index
   * @param {number} by
   */
  function moveAt(index, by) {
    move(index, by);
    focusLater(`tool-${entries[index].key}-${by < 0 ? 'up' : 'down'}`);
  }

  return (
    <Section id="tools" title="Tools" summary={summaries.tools(form.values, inspection)} plain={entries.length === 0} form={form}>
      <p className="section-text">Python functions the model can call. They return text and are copied into the file unchanged.</p>
      <Missing text={missing} />
      <SectionError id={fieldId('tools')} text={entries.length === 0 ? errorAt(form.errors, 'tools') : form.errors.tools} />
      {entries.length > 0 && (
        <ul className="entries" aria-label="Tools of the agent">
          {entries.map((tool, index) => (
            <ToolItem
              key={tool.key}
              tool={tool}
              outline={inspection.outlines[tool.key]}
              index={index}
              count={entries.length}
              form={form}
              onChange={(changed) => update(index, changed)}
              onMove={(by) => moveAt(index, by)}
              onRemove={() => removeAt(index)}
            />
          ))}
        </ul>
      )}
      <AddTools gallery={gallery} form={form} inspection={inspection} onAdd={addReady} onWrite={write} />
    </Section>
  );
}
