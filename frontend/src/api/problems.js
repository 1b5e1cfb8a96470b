import { sentence } from '../lib/format.js';

/** @import { ApiError } from './client.js' */
/** @typedef {{ title: string, text: string }} Problem */

/**
 * Titles and advice by the server's code.
 * @type {Record<string, (error: ApiError) => [title: string, advice: string]>}
 */
const BY_CODE = {
  backend_unavailable: () => ['Test not started', ''],
  busy: (error) => ['The server is busy', waitAdvice(error)],
  host_not_allowed: () => ['The server refused this request', 'Open the page at the address that the server printed when it started.'],
  invalid_request: () => ['Check the form', ''],
  not_ours: () => ['Check the form', ''],
  origin_not_allowed: () => ['The server refused this request', 'Open the page at the address that the server printed when it started.'],
  queue_full: (error) => ['The server is busy', waitAdvice(error)],
  readers_busy: (error) => ['The server is busy', waitAdvice(error)],
  sandbox_unavailable: () => [
    'The sandbox is not available',
    'You can still generate and download the file. Run “llm-agent-builder doctor” on the server to see what is missing.',
  ],
  token_missing: () => ['The server refused this request', ''],
  token_required: () => ['Access token needed', 'Enter the access token, then repeat the action.'],
  too_large: () => ['Too large', 'Shorten the system prompt or the example task, or attach fewer files.'],
};

/**
 * What to show for a failed request; the text says what to do next. Null for a request the user
 * cancelled, and when the server can't be reached, as the banner over the page says so.
 * @param {ApiError} error
 * @returns {Problem | null}
 */
export function describeProblem(error) {
  if (error.code === 'aborted' || error.code === 'offline') return null;
  const [title, advice] = BY_CODE[error.code]?.(error) ?? ['Something went wrong', 'Try again. If it happens again, check the server’s log.'];
  const said = error.code === 'token_required' || !error.message ? '' : sentence(error.message);
  return { title, text: [said, advice].filter(Boolean).join(' ') };
}

/** @param {ApiError} error */
function waitAdvice({ retryAfter }) {
  if (!retryAfter) return 'Try again in a moment.';
  const rounded = Math.ceil(retryAfter);
  return `Try again in ${rounded} ${rounded === 1 ? 'second' : 'seconds'}.`;
}
