import { HeaderPopover, StateRow } from './HeaderPopover.jsx';
import { ShieldIcon } from './icons.jsx';

const TIERS = {
  strong: 'Namespaces, Landlock, system-call filter and resource limits.',
  bubblewrap: 'Namespaces made by bubblewrap, with a system-call filter and resource limits.',
  landlock: 'Landlock, system-call filter and resource limits, without namespaces.',
  limits: 'Resource limits only: run nothing here that you don’t trust.',
};

export function SandboxPopover({ sandbox }) {
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
    >
      <p className="popover-text">{usable ? TIERS[sandbox.tier] : sandbox.reason}</p>
      <ul className="state-list">
        {sandbox.layers.map((layer) => (
          <StateRow
            key={layer.name}
            name={layer.name}
            active={layer.active}
            state={layer.active ? 'active' : 'inactive'}
            reason={layer.active ? null : layer.reason}
          />
        ))}
      </ul>
    </HeaderPopover>
  );
}
