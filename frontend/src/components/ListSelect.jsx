import { Input, Select } from '@mantine/core';

/** @import { ComboboxProps, SelectProps } from '@mantine/core' */
/** @import { KeyboardEvent } from 'react' */
/** @typedef {Pick<ComboboxProps, 'width' | 'position'>} Dropdown */

/** @type {Partial<ComboboxProps>} */
const DROPDOWN = {
  // Mounted always, so that `aria-controls` always names the list; within the form, so that all content is
  // in a landmark; fixed, so that the scrolling form does not cut it off.
  keepMounted: true,
  withinPortal: false,
  floatingStrategy: 'fixed',
  transitionProps: { duration: 0 },
};

/**
 * Enter selects the highlighted option. Mantine loses track of it when the list opens and is filtered
 * by one and the same change, as after a paste; Enter would then submit the form instead.
 * @param {KeyboardEvent<HTMLInputElement>} event
 */
function selectHighlighted(event) {
  if (event.key !== 'Enter' || event.ctrlKey || event.metaKey) return;
  if (event.currentTarget.getAttribute('aria-expanded') !== 'true') return;
  const list = document.getElementById(event.currentTarget.getAttribute('aria-controls') ?? '');
  const option = list?.querySelector('[data-combobox-selected]');
  if (!(option instanceof HTMLElement)) return;
  event.preventDefault();
  option.click();
}

/**
 * Mantine's Select with a name for the list that differs from the field's own: with one label for
 * both, "Model" would name two elements. The label is therefore outside of the Select.
 * @param {SelectProps & { id: string, label: string, listLabel: string, dropdown?: Dropdown }} props
 */
export function ListSelect({ id, label, listLabel, className, dropdown, ...props }) {
  return (
    <div className={className}>
      <Input.Label htmlFor={id}>{label}</Input.Label>
      <Select
        id={id}
        inputWrapperOrder={['input', 'description', 'error']}
        allowDeselect={false}
        withScrollArea={false}
        classNames={{ root: 'list-select', options: 'select-options' }}
        attributes={{ options: { 'aria-label': listLabel } }}
        comboboxProps={{ ...DROPDOWN, ...dropdown }}
        onKeyDown={selectHighlighted}
        {...props}
      />
    </div>
  );
}
