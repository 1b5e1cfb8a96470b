import { useHotkeys } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';
import { backendChoices, effectiveBackend, resolveBackend } from './backends.js';
import { AgentForm } from './components/AgentForm.jsx';
import { CodePanel } from './components/CodePanel.jsx';
import { Header } from './components/Header.jsx';
import { RunPanel } from './components/RunPanel.jsx';
import { ServerBanner } from './components/ServerBanner.jsx';
import { TokenDialog } from './components/TokenDialog.jsx';
import { reveal } from './reveal.js';
import { useAgentForm } from './useAgentForm.js';
import { useBuilder } from './useBuilder.js';
import { useFiles } from './useFiles.js';
import { useServer } from './useServer.js';

export function App() {
  const server = useServer();
  const form = useAgentForm(server.catalog);
  const [wanted, setWanted] = useState('auto');

  const { catalog } = server;
  const provider = catalog?.providers.find(({ id }) => id === form.values.provider) ?? null;
  const choices = backendChoices(catalog, provider);
  const chosen = effectiveBackend(choices, wanted);
  const runnable = provider && catalog.sandbox.available !== false;
  const backend = runnable ? resolveBackend(choices, chosen) : null;

  const given = useFiles(catalog?.files);
  const builder = useBuilder({ form, server, provider, backend, files: given.files });
  const { run } = builder.runner;

  const codeRef = useRef(null);
  const resultRef = useRef(null);
  useEffect(() => {
    if (run.id && !run.restored) reveal(resultRef.current);
  }, [run.id, run.restored]);

  async function generate() {
    if (await builder.generate()) reveal(codeRef.current);
  }

  useHotkeys([['mod+Enter', builder.test]], []);

  return (
    <div className="app">
      <Header catalog={catalog} onLook={server.refresh} />
      <ServerBanner server={server} />
      <main className="workspace" data-ran={run.status !== 'idle'}>
        <AgentForm
          form={form}
          server={server}
          provider={provider}
          backends={{ choices, chosen, choose: setWanted }}
          given={given}
          builder={builder}
          onGenerate={generate}
          backend={backend}
        />
        <CodePanel
          ref={codeRef}
          file={builder.generated}
          stale={builder.stale}
          generating={builder.generating}
          onRegenerate={generate}
        />
        <RunPanel
          ref={resultRef}
          run={run}
          offline={server.status === 'offline'}
          fullOutput={builder.runner.fullOutput}
        />
      </main>
      <TokenDialog />
    </div>
  );
}
