import { HeaderPopover, StateRow } from '../components/HeaderPopover.jsx';
import { ShieldIcon } from '../components/icons.jsx';

/** @import { Sandbox } from '../api/types' */

/** @param {{ title: string, layers: Sandbox['layers'] }} props */
function Layers({ title, layers }) {
  if (layers.length === 0) return null;
  return (
    <>
      <h3 className="state-title">{title}</h3>
      <ul className="state-list">
        {layers.map(({ name, summary, active, reason }) => (
          <StateRow key={name} name={summary} active={active} reason={active ? null : reason} />
        ))}
      </ul>
    </>
  );
}

/** @param {{ sandbox: Sandbox, onOpen: () => void }} props */
export function SandboxPopover({ sandbox, onOpen }) {
  const usable = sandbox.available;
  const weak = sandbox.reason !== null; // why it is not available, or not enough
  const tone = !usable ? 'bad' : weak ? 'caution' : 'good';
  return (
    <HeaderPopover
      icon={<ShieldIcon />}
      name="Sandbox"
      summary={usable ? sandbox.tier : 'not available'}
      tone={tone}
      title={usable ? `Sandbox: ${sandbox.tier}` : 'Sandbox: not available'}
      onOpen={onOpen}
    >
      <p className="popover-text">{usable ? sandbox.summary : sandbox.reason}</p>
      <Layers title="Active" layers={sandbox.layers.filter(({ active }) => active)} />
      <Layers title="Not active" layers={sandbox.layers.filter(({ active }) => !active)} />
    </HeaderPopover>
  );
}
