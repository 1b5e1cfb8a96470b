/** @import { InspectResponse } from '../api/types' */
/** @import { Hosts } from './useHosts.js' */
/** @typedef {InspectResponse['hosts']} WantedHosts */

/** @param {string[]} words */
const list = (words) => (words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);

/**
 * Explains names that are not hosts.
 * @type {Record<string, string>}
 */
const MEANINGS = { 'provider-tools': 'web search, images by URL and MCP servers run by the provider' };

/** @param {{ host: string }} props */
function Name({ host }) {
  if (!(host in MEANINGS)) return <span className="host-name">{host}</span>;
  return <span className="host-meaning">{`${host}: ${MEANINGS[host]}`}</span>;
}

/** @param {{ host: string, by?: string, checked: boolean, onChange: (on: boolean) => void }} props */
function Host({ host, by, checked, onChange }) {
  return (
    <li>
      <label className="host">
        <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
        <span className="host-text">
          <Name host={host} />
          {by && <span className="tag"> used by {by}</span>}
        </span>
      </label>
    </li>
  );
}

/**
 * Hosts that a test can't reach, which tools use them, and how to allow them.
 * @param {{ refused: WantedHosts }} props
 */
function Refused({ refused }) {
  if (refused.length === 0) return null;
  const users = list([...new Set(refused.map(({ by }) => by))]);
  return (
    <p className="files-note">
      Not allowed on this server: {list(refused.map(({ host }) => host))}, used by {users}. Tests can’t connect to these hosts.
      Outside the sandbox, the agent can connect to them. To allow a host, add it to <code>AGENT_BUILDER_EGRESS_ALLOW</code> on the server.
    </p>
  );
}

/**
 * @param {string[]} allowed
 * @param {string[]} unlisted
 */
function note(allowed, unlisted) {
  const asks = unlisted.length > 0 ? `${list(unlisted)} may need the network. ` : '';
  if (allowed.length > 0) return `${asks}Tests can only reach the hosts selected here.`;
  return asks && `${asks}On this server, tests can’t connect to any host.`;
}

/**
 * The hosts a test may reach. Shown where there is something to choose, or a tool needs the network.
 * @param {{ hosts: Hosts, wanted: WantedHosts, unlisted: string[], known: boolean }} props
 *   `unlisted`: names of tools that probably use the network without listing hosts
 */
export function HostsField({ hosts, wanted, unlisted, known }) {
  const { allowed, granted, toggle } = hosts;
  if (!known || (allowed.length === 0 && wanted.length === 0 && unlisted.length === 0)) return null;
  const text = note(allowed, unlisted);
  const usedBy = (/** @type {string} */ host) => wanted.find((other) => other.host === host)?.by;
  return (
    <fieldset className="hosts">
      <legend>Allowed hosts</legend>
      {allowed.length > 0 && (
        <ul className="host-list">
          {allowed.map((host) => (
            <Host key={host} host={host} by={usedBy(host)} checked={granted.includes(host)} onChange={(on) => toggle(host, on)} />
          ))}
        </ul>
      )}
      {text && <p className="files-note">{text}</p>}
      <Refused refused={wanted.filter(({ host }) => !allowed.includes(host))} />
    </fieldset>
  );
}
