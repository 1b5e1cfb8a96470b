import { meaningOf, vagueTools, wantedHosts } from './hosts.js';

const list = (words) => (words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);

function Name({ host }) {
  const meaning = meaningOf(host);
  if (!meaning) return <span className="host-name">{host}</span>;
  return <span className="host-meaning">{`${host}: ${meaning}`}</span>;
}

function Host({ host, by, checked, onChange }) {
  return (
    <li>
      <label className="host">
        <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
        <span className="host-text">
          <Name host={host} />
          {by && <span className="tag"> asked for by {by}</span>}
        </span>
      </label>
    </li>
  );
}

/** What a test is kept from, why, and who can change that. */
function Refused({ refused }) {
  if (refused.length === 0) return null;
  const askers = list([...new Set(refused.map(({ by }) => by))]);
  return (
    <p className="files-note">
      Not allowed on this server: {list(refused.map(({ host }) => host))}, asked for by {askers}. In a test such a call is
      refused; where you run the file yourself it is not. Whoever runs the server can allow a host with{' '}
      <code>AGENT_BUILDER_EGRESS_ALLOW</code>.
    </p>
  );
}

function note(allowed, vague) {
  const asks = vague.length > 0 ? `${list(vague)} may need the network. ` : '';
  if (allowed.length > 0) return `${asks}A test reaches only what is ticked here.`;
  return asks && `${asks}This server allows a test no host.`;
}

/** The hosts a test may reach. Shown where there is something to choose, or something asks for one. */
export function HostsField({ hosts, values, gallery, known }) {
  const { allowed, granted, toggle } = hosts;
  const wanted = wantedHosts(values);
  const vague = vagueTools(values, gallery);
  if (!known || (allowed.length === 0 && wanted.length === 0 && vague.length === 0)) return null;
  const text = note(allowed, vague);
  const askedBy = (host) => wanted.find((other) => other.host === host)?.by;
  return (
    <fieldset className="hosts">
      <legend>What it may reach</legend>
      {allowed.length > 0 && (
        <ul className="host-list">
          {allowed.map((host) => (
            <Host key={host} host={host} by={askedBy(host)} checked={granted.includes(host)} onChange={(on) => toggle(host, on)} />
          ))}
        </ul>
      )}
      {text && <p className="files-note">{text}</p>}
      <Refused refused={wanted.filter(({ host }) => !allowed.includes(host))} />
    </fieldset>
  );
}
