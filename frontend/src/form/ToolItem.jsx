import { fieldId, errorAt } from './paths.js';
import { toolName, toolSummary } from '../editor/toolCode.js';
import { CodeField } from '../editor/CodeField.jsx';
import { ArrowDownIcon, ArrowUpIcon, ChevronIcon, CrossIcon } from '../components/icons.jsx';

function IconButton({ id, label, disabled, onClick, children }) {
  return (
    <button type="button" id={id} className="icon-button" aria-label={label} title={label} aria-disabled={disabled || undefined} onClick={disabled ? undefined : onClick}>
      {children}
    </button>
  );
}

function Order({ tool, name, index, count, onMove }) {
  if (count < 2) return null;
  return (
    <>
      <IconButton id={`tool-${tool.key}-up`} label={`Move ${name} up`} disabled={index === 0} onClick={() => onMove(-1)}>
        <ArrowUpIcon />
      </IconButton>
      <IconButton id={`tool-${tool.key}-down`} label={`Move ${name} down`} disabled={index === count - 1} onClick={() => onMove(1)}>
        <ArrowDownIcon />
      </IconButton>
    </>
  );
}

/** One tool: its name and what it says of itself; unfolded, its source. */
export function ToolItem({ tool, index, count, form, onChange, onMove, onRemove }) {
  const id = `tool-${tool.key}`;
  const open = form.opened.has(id);
  const name = toolName(tool.code) ?? `tool ${index + 1}`;
  const error = errorAt(form.errors, `tools.${index}`);
  return (
    <li className="entry" data-invalid={Boolean(error) || undefined}>
      <div className="entry-head">
        <button type="button" id={`${id}-toggle`} className="entry-toggle" aria-expanded={open} aria-controls={`${id}-body`} onClick={() => form.setOpen([id], !open)}>
          <ChevronIcon />
          <span className="entry-text">
            <span className="entry-name">{name}</span>
            {!open && <span className="entry-note">{error ? 'Needs a change' : (toolSummary(tool.code) ?? 'No docstring yet')}</span>}
          </span>
        </button>
        <Order tool={tool} name={name} index={index} count={count} onMove={onMove} />
        <IconButton label={`Remove ${name}`} onClick={onRemove}>
          <CrossIcon />
        </IconButton>
      </div>
      <div id={`${id}-body`} className="entry-body" hidden={!open}>
        {open && (
          <CodeField
            id={fieldId(`tools.${index}.code`)}
            label={`Source of ${name}`}
            value={tool.code}
            error={error}
            onChange={(code) => onChange({ code })}
          />
        )}
      </div>
    </li>
  );
}
