import { Popover } from '@mantine/core';

/** @import { ReactNode } from 'react' */

/**
 * A quiet button in the header that opens a panel. On small screens it shows only its icon.
 * @param {{ icon: ReactNode, name: string, summary: string, tone: string, title: string, onOpen: () => void, children: ReactNode }} props
 */
export function HeaderPopover({ icon, name, summary, tone, title, onOpen, children }) {
  return (
    <Popover width={340} position="bottom-end" trapFocus returnFocus onOpen={onOpen}>
      <Popover.Target>
        <button type="button" className="header-button" aria-label={`${name}: ${summary}`}>
          {icon}
          <span className="header-button-text">
            <span className="header-button-name">{name}</span> {summary}
          </span>
          <span className="dot" data-tone={tone} />
        </button>
      </Popover.Target>
      <Popover.Dropdown className="popover" aria-label={title} tabIndex={-1} data-autofocus>
        <h2 className="popover-title">{title}</h2>
        {children}
      </Popover.Dropdown>
    </Popover>
  );
}

/**
 * One row of such a panel: a name, its state (in words, unless a heading says it), and a reason.
 * @param {{ name: ReactNode, active: boolean, state?: string, reason?: string | null }} props
 */
export function StateRow({ name, active, state, reason }) {
  return (
    <li className="state-row">
      <span className="dot" data-tone={active ? 'good' : 'quiet'} />
      <span className="state-name">{name}</span>
      {state && <span className="state-word">{state}</span>}
      {reason && <span className="state-reason">{reason}</span>}
    </li>
  );
}
