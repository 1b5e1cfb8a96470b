import { HeaderPopover, StateRow } from './HeaderPopover.jsx';
import { ShieldIcon } from './icons.jsx';

const TIERS = {
  strong: 'Namespaces, Landlock, system-call filter and resource limits.',
  bubblewrap: 'Namespaces made by bubblewrap, with a system-call filter and resource limits.',
  landlock: 'Landlock, system-call filter and resource limits, without namespaces.',
  limits: 'Resource limits only: run nothing here that you don’t trust.',
};

function Layers({ title, layers }) {
  if (layers.length === 0) return null;
  return (
    <>
      <h3 className="state-title">{title}</h3>
      <ul className="state-list">
        {layers.map(({ name, active, reason }) => (
          <StateRow key={name} name={name} active={active} reason={active ? null : reason} />
        ))}
      </ul>
    </>
  );
}

export function SandboxPopover({ sandbox, onOpen }) {
  const usable = sandbox.available !== false;
  const weak = sandbox.tier === 'limits';
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
      <p className="popover-text">{usable ? TIERS[sandbox.tier] : sandbox.reason}</p>
      <Layers title="In force" layers={sandbox.layers.filter(({ active }) => active)} />
      <Layers title="Not in force" layers={sandbox.layers.filter(({ active }) => !active)} />
    </HeaderPopover>
  );
}
