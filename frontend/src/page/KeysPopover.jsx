import { listedAt } from '../form/lifecycle.js';
import { HeaderPopover, StateRow } from '../components/HeaderPopover.jsx';
import { KeyIcon } from '../components/icons.jsx';

function summarize(providers, servers) {
  const keys = summarizeKeys(providers);
  if (servers.length === 0) return keys;
  return `${keys}, ${servers.length} ${servers.length === 1 ? 'server' : 'servers'}`;
}

function summarizeKeys(providers) {
  const set = providers.filter((provider) => provider.key_configured).length;
  if (set === 0) return 'none set';
  return set === providers.length ? 'all set' : `${set} of ${providers.length} set`;
}

export function KeysPopover({ catalog, onOpen }) {
  const { providers, backends } = catalog;
  const local = backends.find(({ id }) => id === 'local')?.available;
  const servers = providers.flatMap((provider) => provider.servers ?? []);
  const some = [...providers, ...servers].some((each) => each.key_configured);
  return (
    <HeaderPopover
      icon={<KeyIcon />}
      name="Keys"
      summary={summarize(providers, servers)}
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
      <Servers servers={servers} />
      <p className="popover-note">Keys stay on the server. No key ever enters the sandbox.</p>
    </HeaderPopover>
  );
}

function serverState({ key_env: name, key_configured: set }) {
  if (!name) return 'needs no key';
  return set ? 'key configured' : 'key not set';
}

/** The servers of the user's own, which agents of the models there are tested against. */
function Servers({ servers }) {
  if (servers.length === 0) return null;
  return (
    <>
      <h3 className="popover-title">Your model servers</h3>
      <ul className="state-list" aria-label="Your model servers">
        {servers.map((server) => (
          <StateRow
            key={server.base_url}
            name={<code>{server.base_url}</code>}
            active={server.key_configured}
            state={serverState(server)}
            reason={server.key_configured ? 'Agents at this address are tested against it.' : `Set ${server.key_env} to test agents at this address.`}
          />
        ))}
      </ul>
    </>
  );
}

function keyReason(provider, local) {
  if (provider.key_configured) {
    const at = listedAt(provider);
    return `Agents on ${provider.label} are tested against its API.${at ? ` Its models were looked up on ${at}.` : ''}`;
  }
  return local ? `Without it, agents on ${provider.label} are tested with the local model.` : `Agents on ${provider.label} can be generated, not tested.`;
}
