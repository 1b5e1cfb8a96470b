import { listedAt } from '../form/lifecycle.js';
import { HeaderPopover, StateRow } from '../components/HeaderPopover.jsx';
import { KeyIcon } from '../components/icons.jsx';

/** @import { Catalog, OwnServer, Provider } from '../api/types' */

/**
 * @param {Provider[]} providers
 * @param {OwnServer[]} servers
 */
function summarize(providers, servers) {
  const keys = summarizeKeys(providers);
  if (servers.length === 0) return keys;
  return `${keys}, ${servers.length} ${servers.length === 1 ? 'server' : 'servers'}`;
}

/** @param {Provider[]} providers */
function summarizeKeys(providers) {
  const set = providers.filter((provider) => provider.key_configured).length;
  if (set === 0) return 'none set';
  return set === providers.length ? 'all set' : `${set} of ${providers.length} set`;
}

/** @param {{ catalog: Catalog, onOpen: () => void }} props */
export function KeysPopover({ catalog, onOpen }) {
  const { providers, backends } = catalog;
  const local = backends.find(({ id }) => id === 'local')?.available === true;
  const servers = providers.flatMap((provider) => provider.servers);
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
          To set a key, add it to <code>.env</code> in the server’s folder (<code>cp .env.example .env</code>). No
          restart needed.
        </p>
      )}
      <Servers servers={servers} />
      <p className="popover-note">Keys stay on the server and never enter the sandbox.</p>
    </HeaderPopover>
  );
}

/** @param {OwnServer} server */
function serverState({ key_env: name, key_configured: set }) {
  if (!name) return 'no key needed';
  return set ? 'key configured' : 'key not set';
}

/**
 * The user's own model servers, which agents at their addresses are tested with.
 * @param {{ servers: OwnServer[] }} props
 */
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
            reason={server.key_configured ? 'Tests of agents at this address use it.' : `Set ${server.key_env} to test agents at this address.`}
          />
        ))}
      </ul>
    </>
  );
}

/**
 * @param {Provider} provider
 * @param {boolean} local
 */
function keyReason(provider, local) {
  if (provider.key_configured) {
    const at = listedAt(provider);
    return `Tests of ${provider.label} agents use its API.${at ? ` Model list updated ${at}.` : ''}`;
  }
  return local ? `Without it, tests of ${provider.label} agents use the local model.` : `${provider.label} agents can be generated but not tested.`;
}
