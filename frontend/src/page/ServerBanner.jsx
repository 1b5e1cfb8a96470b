import { Button } from '@mantine/core';
import { WarningIcon } from '../components/icons.jsx';

/** @import { Server } from './useServer.js' */

/**
 * Shown while the catalog is not available. The page retries by itself; Retry retries at once.
 * @param {{ server: Server }} props
 */
export function ServerBanner({ server }) {
  const offline = server.status === 'offline';
  const locked = server.error?.code === 'token_required';
  if (!offline && server.status !== 'error') return null;
  return (
    <div className="banner" role="alert">
      <WarningIcon />
      <p>
        {offline ? (
          <>
            <strong>Can’t reach the server.</strong> Your input is saved. Retrying automatically.
          </>
        ) : (
          <>
            <strong>{locked ? 'Sign-in needed:' : 'Can’t load the models.'}</strong>{' '}
            {locked ? 'enter the access token.' : server.error?.message}
          </>
        )}
      </p>
      <Button size="xs" variant="default" onClick={server.retry}>
        Retry
      </Button>
    </div>
  );
}
