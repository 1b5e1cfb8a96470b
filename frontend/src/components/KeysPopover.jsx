import { listedAt } from '../lifecycle.js';
import { HeaderPopover, StateRow } from './HeaderPopover.jsx';
import { KeyIcon } from './icons.jsx';

function summarize(providers) {
  const set = providers.filter((provider) => provider.key_configured).length;
  if (set === 0) return 'none set';
  return set === providers.length ? 'all set' : `${set} of ${providers.length} set`;
}

export function KeysPopover({ catalog, onOpen }) {
  const { providers, backends } = catalog;
  const local = backends.find(({ id }) => id === 'local')?.available;
  const some = providers.some((provider) => provider.key_configured);
  return (
    <HeaderPopover
      icon={<KeyIcon />}
      name="Keys"
      summary={summarize(providers)}
      tone={some ? 'good' : 'quiet'}
      title="Provider keys"
      onOpen={onOpen}
    >
      <ul className="state-list">
        {providers.map((provider) => (
          <StateRow
            key={provider.id}
            name={<code>{provider.key_env}</code>}
            active={provider.key_configured}
            state={provider.key_configured ? 'configured' : 'not set'}
            reason={keyReason(provider, local)}
          />
        ))}
      </ul>
      {providers.some((provider) => !provider.key_configured) && (
        <p className="popover-note">
          To set a key, put it in <code>.env</code> next to the server (<code>cp .env.example .env</code>). No
          restart needed.
        </p>
      )}
      <p className="popover-note">Keys stay on the server. No key ever enters the sandbox.</p>
    </HeaderPopover>
  );
}

function keyReason(provider, local) {
  if (provider.key_configured) {
    const at = listedAt(provider);
    return `Agents on ${provider.label} are tested against its API.${at ? ` Its models were looked up on ${at}.` : ''}`;
  }
  return local ? `Without it, agents on ${provider.label} are tested with the local model.` : `Agents on ${provider.label} can be generated, not tested.`;
}
