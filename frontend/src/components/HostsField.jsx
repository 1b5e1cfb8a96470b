import { toolsThatNeed } from '../toolCode.js';

function names(tools) {
  return tools.length === 1 ? tools[0] : `${tools.slice(0, -1).join(', ')} and ${tools.at(-1)}`;
}

function note(needy, allowed) {
  const asks = needy.length > 0 ? `${names(needy)} may need the network. ` : '';
  if (allowed.length > 0) return `${asks}A test reaches only what is ticked here.`;
  return `${asks}This server allows a test no host, so such a call is refused in it; the file itself is free where you run it. Whoever runs the server can allow hosts with AGENT_BUILDER_EGRESS_ALLOW.`;
}

/** The hosts a test may reach. Shown where there is something to choose, or a tool that asks for one. */
export function HostsField({ hosts, tools, gallery, known }) {
  const { allowed, granted, toggle } = hosts;
  const needy = toolsThatNeed('hosts', tools, gallery);
  if (!known || (allowed.length === 0 && needy.length === 0)) return null;
  return (
    <fieldset className="hosts" aria-describedby="hosts-note">
      <legend>Hosts</legend>
      {allowed.length > 0 && (
        <ul className="host-list">
          {allowed.map((host) => (
            <li key={host}>
              <label className="host">
                <input type="checkbox" checked={granted.includes(host)} onChange={(event) => toggle(host, event.currentTarget.checked)} />
                <span>{host}</span>
              </label>
            </li>
          ))}
        </ul>
      )}
      <p className="files-note" id="hosts-note">{note(needy, allowed)}</p>
    </fieldset>
  );
}
