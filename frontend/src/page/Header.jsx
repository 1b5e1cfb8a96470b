import { KeysPopover } from './KeysPopover.jsx';
import { SandboxPopover } from './SandboxPopover.jsx';
import { ThemeToggle } from './ThemeToggle.jsx';

function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" />
      <path d="M9 11l5 5-5 5M17 21h6" />
    </svg>
  );
}

/** @import { Catalog } from '../api/types' */

/**
 * `onLook` is called when a panel opens, which should then be up to date.
 * @param {{ catalog: Catalog | null, onLook: () => void }} props
 */
export function Header({ catalog, onLook }) {
  return (
    <header className="header">
      <Mark />
      <h1 className="product">LLM Agent Builder</h1>
      <div className="header-tools">
        {catalog && <KeysPopover catalog={catalog} onOpen={onLook} />}
        {catalog && <SandboxPopover sandbox={catalog.sandbox} onOpen={onLook} />}
        <ThemeToggle />
      </div>
    </header>
  );
}
