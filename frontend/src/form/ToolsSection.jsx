import { newTool } from './fields.js';
import { errorAt, fieldId } from './paths.js';
import { summaries } from './summaries.js';
import { NEW_TOOL, toolName } from '../editor/toolCode.js';
import { focusLater, useList } from './useList.js';
import { PlusIcon } from '../components/icons.jsx';
import { Missing, Section, SectionError } from '../components/Section.jsx';
import { ToolItem } from './ToolItem.jsx';

const NEEDS = { files: 'reads files', hosts: 'reaches the network' };

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
            {NEEDS[entry.needs] && <span className="tag">{NEEDS[entry.needs]}</span>}
          </span>
          <span className="entry-note">{entry.description}</span>
        </span>
      </button>
    </li>
  );
}

/** The ready tools that are not in the form yet, and the way to write one's own. */
function AddTools({ gallery, tools, onAdd, onWrite }) {
  const names = new Set(tools.map(({ code }) => toolName(code)));
  const left = gallery.filter((entry) => !names.has(toolName(entry.code)));
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
        {left.map((entry) => (
          <GalleryEntry key={entry.id} entry={entry} onAdd={() => onAdd(entry)} />
        ))}
      </ul>
    </div>
  );
}

export function ToolsSection({ form, gallery, missing }) {
  const { entries, add, update, remove, move } = useList(form, 'tools');

  function write() {
    const tool = newTool(NEW_TOOL);
    add(tool);
    form.setOpen([`tool-${tool.key}`], true);
    focusLater(fieldId(`tools.${entries.length}.code`));
  }

  function addReady(entry) {
    const tool = newTool(entry.code);
    add(tool);
    focusLater(`tool-${tool.key}-toggle`);
  }

  function removeAt(index) {
    remove(index);
    const next = entries[index + 1] ?? entries[index - 1];
    focusLater(next ? `tool-${next.key}-toggle` : 'tool-write');
  }

  function moveAt(index, by) {
    move(index, by);
    focusLater(`tool-${entries[index].key}-${by < 0 ? 'up' : 'down'}`);
  }

  return (
    <Section id="tools" title="Tools" summary={summaries.tools(form.values)} plain={entries.length === 0} form={form}>
      <p className="section-text">Python functions that the model may call; they answer in text, and stand in the file as they are here.</p>
      <Missing text={missing} />
      {entries.length === 0 && <SectionError id={fieldId('tools')} text={errorAt(form.errors, 'tools')} />}
      {entries.length > 0 && <SectionError id={fieldId('tools')} text={form.errors.tools} />}
      {entries.length > 0 && (
        <ul className="entries" aria-label="Tools of the agent">
          {entries.map((tool, index) => (
            <ToolItem
              key={tool.key}
              tool={tool}
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
      <AddTools gallery={gallery} tools={entries} onAdd={addReady} onWrite={write} />
    </Section>
  );
}
