import { toolName, toolsThatNeed } from '../editor/toolCode.js';

/** Which hosts an agent asks for, as HOST:PORT, and what a test may reach of them. Pure. */

const LISTED = /^[A-Z_]*HOSTS\s*(?::[^=\n]+)?=\s*[([{]([^)\]}]*)[)\]}]/m;

/** The hosts that a tool lists in a constant, such as FETCH_HOSTS of the gallery; over https. */
function listedHosts(code) {
  const found = code.match(LISTED)?.[1].matchAll(/["']([\w.-]+)["']/g) ?? [];
  return [...found].map(([, host]) => `${host.toLowerCase()}:443`);
}

function hostOf(address) {
  try {
    const { hostname, port, protocol } = new URL(address);
    return hostname ? `${hostname}:${port || (protocol === 'http:' ? 80 : 443)}` : null;
  } catch {
    return null; // not an address yet
  }
}

const MEANINGS = { 'provider-tools': 'web search, pictures by address and MCP servers that the provider runs' };

/** What a thing that can be granted is, where its name doesn't say: `provider-tools`, not a host. */
export const meaningOf = (granted) => MEANINGS[granted] ?? null;

/** `[{host, by}]`, each host once, by whatever asks for it first. */
export function wantedHosts({ tools, mcp_servers: servers }) {
  const wanted = new Map();
  const want = (host, by) => host && !wanted.has(host) && wanted.set(host, by);
  for (const { code } of tools) for (const host of listedHosts(code)) want(host, toolName(code));
  for (const { kind, url, name } of servers) if (kind === 'url') want(hostOf(url), name.trim() || 'an MCP server');
  return [...wanted].map(([host, by]) => ({ host, by }));
}

/** The tools that may need the network without saying which hosts. */
export function vagueTools(values, gallery) {
  const clear = new Set(wantedHosts(values).map(({ by }) => by));
  return toolsThatNeed('hosts', values.tools, gallery).filter((name) => !clear.has(name));
}
