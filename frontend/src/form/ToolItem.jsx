import { ArrowDownIcon, ArrowUpIcon, ChevronIcon, CrossIcon } from '../components/icons.jsx';
import { CodeField } from '../editor/CodeField.jsx';
import { errorAt, fieldId } from './paths.js';

/** @import { ReactNode } from 'react' */
/** @import { Tool } from './fields.js' */
/** @import { Form } from './useAgentForm.js' */
/** @import { Outline } from './useInspection.js' */

/** @param {{ id?: string, label: string, disabled?: boolean, onClick: () => void, children: ReactNode }} props */
function IconButton({ id, label, disabled, onClick, children }) {
  return (
    <button type="button" id={id} className="icon-button" aria-label={label} title={label} aria-disabled={disabled || undefined} onClick={disabled ? undefined : onClick}>
      {children}
    </button>
  );
}

/** @param {{ tool: Tool, name: string, index: number, count: number, onMove: (by: number) => void }} props */
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

/**
 * One tool: its name and summary; unfolded, its source.
 * @param {object} props
 * @param {Tool} props.tool
 * @param {Outline} [props.outline] undefined until the server has looked at it
 * @param {number} props.index
 * @param {number} props.count
 * @param {Form} props.form
 * @param {(changed: Partial<Tool>) => void} props.onChange
 * @param {(by: number) => void} props.onMove
 * @param {() => void} props.onRemove
 */
export function ToolItem({ tool, outline, index, count, form, onChange, onMove, onRemove }) {
  const id = `tool-${tool.key}`;
  const open = form.opened.has(id);
  const name = outline?.name ?? `tool ${index + 1}`;
  const error = errorAt(form.errors, `tools.${index}`);
  const summary = outline && (outline.summary ?? 'No docstring yet');
  return (
    <li className="entry" data-invalid={Boolean(error) || undefined}>
      <div className="entry-head">
        <button type="button" id={`${id}-toggle`} className="entry-toggle" aria-expanded={open} aria-controls={`${id}-body`} onClick={() => form.setOpen([id], !open)}>
          <ChevronIcon />
          <span className="entry-text">
            <span className="entry-name">{name}</span>
            {!open && <span className="entry-note">{error ? 'Has an error' : summary}</span>}
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
            line={errorAt(form.lines, `tools.${index}`)}
            onChange={(code) => onChange({ code })}
          />
        )}
      </div>
    </li>
  );
}
