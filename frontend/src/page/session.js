import { openSession } from '../api/client.js';

/**
 * The address that the server prints carries its token in the fragment, which browsers send to
 * nobody. It is traded for a cookie that scripts can't read, and taken out of the address.
 */
export async function openSessionFromAddress({ location, history }, open = openSession) {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    await open(token);
  } catch {
    // A wrong token, or no server: the page itself asks again, or says so.
  }
}
