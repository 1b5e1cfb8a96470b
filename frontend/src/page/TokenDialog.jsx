import { Button, Modal, PasswordInput } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { onTokenRequired, openSession } from '../api/client.js';

/** Requests that meet a closed door at the same time wait for one dialog together. */
function useTokenQuestion() {
  const [open, setOpen] = useState(false);
  const question = useRef(null);

  useEffect(() => {
    onTokenRequired(() => {
      if (!question.current) {
        question.current = Promise.withResolvers?.() ?? withResolvers();
        setOpen(true);
      }
      return question.current.promise;
    });
    return () => onTokenRequired(null);
  }, []);

  function answer(granted) {
    question.current?.resolve(granted);
    question.current = null;
    setOpen(false);
  }
  return { open, answer };
}

// Promise.withResolvers is newer than the oldest browsers this page serves.
function withResolvers() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}

function TokenForm({ onGranted, onDismissed }) {
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    try {
      await openSession(token.trim());
      onGranted();
    } catch (failure) {
      const wrong = failure.status === 401 || failure.status === 403 || failure.status === 422;
      setError(wrong ? 'This token is not the right one.' : failure.message || 'The server did not answer. Try again.');
      setBusy(false);
    }
  }

  return (
    <form onSubmit={submit} className="token-form">
      <Modal.Title className="app-modal-title">This server is protected</Modal.Title>
      <p className="popover-text">It asks for its access token. Whoever started the server has it.</p>
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
      // Its own head would be a second banner landmark.
      withCloseButton={false}
      classNames={{ content: 'app-modal' }}
    >
      <TokenForm onGranted={() => answer(true)} onDismissed={() => answer(false)} />
    </Modal>
  );
}
