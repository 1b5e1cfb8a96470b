import { Button, Modal, PasswordInput } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { asApiError, onTokenRequired, openSession } from '../api/client.js';

/** @import { FormEvent } from 'react' */
/** @typedef {{ promise: Promise<boolean>, resolve: (granted: boolean) => void }} Question */

/** Requests that need the token at the same time share one dialog. */
function useTokenQuestion() {
  const [open, setOpen] = useState(false);
  const question = useRef(/** @type {Question | null} */ (null));

  useEffect(() => {
    onTokenRequired(() => {
      if (!question.current) {
        question.current = newQuestion();
        setOpen(true);
      }
      return question.current.promise;
    });
    return () => onTokenRequired(null);
  }, []);

  /** @param {boolean} granted */
  function answer(granted) {
    question.current?.resolve(granted);
    question.current = null;
    setOpen(false);
  }
  return { open, answer };
}

/**
 * Like Promise.withResolvers, which the oldest supported browsers don't have.
 * @returns {Question}
 */
function newQuestion() {
  /** @type {Question['resolve']} */
  let resolve = () => {};
  const promise = new Promise((/** @type {Question['resolve']} */ done) => (resolve = done));
  return { promise, resolve };
}

/** @param {{ onGranted: () => void, onDismissed: () => void }} props */
function TokenForm({ onGranted, onDismissed }) {
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {string | null} */ (null));

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    try {
      await openSession(token.trim());
      onGranted();
    } catch (thrown) {
      const { code, message } = asApiError(thrown);
      const wrong = code === 'token_required' || code === 'invalid_request';
      setError(wrong ? 'Wrong access token.' : message || 'The server did not respond. Try again.');
      setBusy(false);
    }
  }

  return (
    <form onSubmit={submit} className="token-form">
      <Modal.Title className="app-modal-title">Sign in</Modal.Title>
      <p className="popover-text">Enter the access token (printed in the server’s console).</p>
      <PasswordInput
        label="Access token"
        value={token}
        error={error}
        autoComplete="current-password"
        data-autofocus
        onChange={(event) => {
          setToken(event.currentTarget.value);
          setError(null);
        }}
      />
      <div className="token-buttons">
        <Button variant="default" onClick={onDismissed}>
          Cancel
        </Button>
        <Button type="submit" loading={busy} disabled={token.trim() === ''}>
          Continue
        </Button>
      </div>
    </form>
  );
}

export function TokenDialog() {
  const { open, answer } = useTokenQuestion();
  return (
    <Modal
      opened={open}
      onClose={() => answer(false)}
      size={400}
      centered
      // Mantine's own header would be a second banner landmark.
      withCloseButton={false}
      classNames={{ content: 'app-modal' }}
    >
      <TokenForm onGranted={() => answer(true)} onDismissed={() => answer(false)} />
    </Modal>
  );
}
