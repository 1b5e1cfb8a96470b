import { expect, test, vi } from 'vitest';
import { openSessionFromAddress } from '../../src/page/session.js';

function windowAt(hash) {
  return {
    location: { hash, pathname: '/', search: '?a=1' },
    history: { replaceState: vi.fn() },
  };
}

test('the token of the address opens a session and leaves the address', async () => {
  const at = windowAt('#token=a%2Bb%26c');
  const open = vi.fn();
  await openSessionFromAddress(at, open);
  expect(open).toHaveBeenCalledWith('a+b&c');
  expect(at.history.replaceState).toHaveBeenCalledWith(null, '', '/?a=1');
});

test('an address without a token is left as it is', async () => {
  const at = windowAt('');
  const open = vi.fn();
  await openSessionFromAddress(at, open);
  expect(open).not.toHaveBeenCalled();
  expect(at.history.replaceState).not.toHaveBeenCalled();
});

test('a token that is refused does not stop the page', async () => {
  const refuse = vi.fn().mockRejectedValue(new Error('401'));
  await expect(openSessionFromAddress(windowAt('#token=x'), refuse)).resolves.toBeUndefined();
});
