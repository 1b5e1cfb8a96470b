import { openSession } from '../api/client.js';

/**
 * The address that the server prints has the access token in its fragment, which browsers never send.
 * Exchanges it for a cookie that scripts can't read, and removes it from the address.
 * @param {Pick<Window, 'location' | 'history'>} window
 */
export async function openSessionFromAddress({ location, history }, open = openSession) {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    await open(token);
  } catch {
    // A wrong token, or no server: the page asks for the token again, or shows the problem.
  }
}
