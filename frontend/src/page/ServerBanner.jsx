import { Button } from '@mantine/core';
import { WarningIcon } from '../components/icons.jsx';

/** Shown while the catalog can't be had. It is asked again by itself; Retry asks at once. */
export function ServerBanner({ server }) {
  const offline = server.status === 'offline';
  if (!offline && server.status !== 'error') return null;
  return (
    <div className="banner" role="alert">
      <WarningIcon />
      <p>
        {offline ? (
          <>
            <strong>Can’t reach the server.</strong> What you type is kept. Trying again by itself.
          </>
        ) : (
          <>
            <strong>The server could not list its models.</strong> {server.error.message}
          </>
        )}
      </p>
      <Button size="xs" variant="default" onClick={server.retry}>
        Retry
      </Button>
    </div>
  );
}
