/**
 * What to show for a failed request: `{title, text}`, where the text says what to do next.
 * Null for a request the user cancelled, and where the banner over the page says it already.
 */
export function describeProblem(error) {
  if (error.code === 'aborted' || error.code === 'offline') return null;
  if (error.code === 'backend_unavailable') {
    return { title: 'Nothing was run', text: sentence(error.message) };
  }
  if (error.code === 'token_required') {
    return { title: 'Access token needed', text: 'Press the button again to enter the token of this server.' };
  }
  const byStatus = {
    403: ['The server refused this request', 'Open the page at the address that the server printed when it started.'],
    413: ['Too large', 'Shorten the system prompt or the example task, or give fewer files.'],
    422: ['The server did not accept this', ''],
    429: ['The server is busy', waitAdvice(error.retryAfter)],
    503: ['The sandbox is not available', 'The file can still be generated and downloaded. On the server, “llm-agent-builder doctor” says what is missing.'],
  };
  const [title, advice] = byStatus[error.status] ?? ['Something went wrong', 'Try again. If it stays, look at the log of the server.'];
  return { title, text: [sentence(error.message), advice].filter(Boolean).join(' ') };
}

function waitAdvice(retryAfter) {
  if (!retryAfter) return 'Try again in a moment.';
  const rounded = Math.ceil(retryAfter);
  return `Try again in ${rounded} ${rounded === 1 ? 'second' : 'seconds'}.`;
}

function sentence(text) {
  if (!text) return '';
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
