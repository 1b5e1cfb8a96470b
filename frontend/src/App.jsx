import { useHotkeys } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';
import { backendChoices, effectiveBackend } from './backends.js';
import { AgentForm } from './components/AgentForm.jsx';
import { CodePanel } from './components/CodePanel.jsx';
import { Header } from './components/Header.jsx';
import { RunPanel } from './components/RunPanel.jsx';
import { ServerBanner } from './components/ServerBanner.jsx';
import { TokenDialog } from './components/TokenDialog.jsx';
import { reveal } from './reveal.js';
import { isActive } from './runState.js';
import { useAgentForm } from './useAgentForm.js';
import { useBuilder } from './useBuilder.js';
import { useServer } from './useServer.js';

export function App() {
  const server = useServer();
  const form = useAgentForm(server.catalog);
  const [wanted, setWanted] = useState('auto');

  const { catalog } = server;
  const provider = catalog?.providers.find(({ id }) => id === form.values.provider) ?? null;
  const choices = backendChoices(catalog, provider);
  const backend = effectiveBackend(choices, wanted);

  const builder = useBuilder({ form, server, provider, backend });
  const { run } = builder.runner;
  const testable = catalog?.sandbox.available !== false && !choices[0].reason;

  const codeRef = useRef(null);
  const resultRef = useRef(null);
  useEffect(() => {
    if (run.id) reveal(resultRef.current);
  }, [run.id]);

  async function generate() {
    if (await builder.generate()) reveal(codeRef.current);
  }

  useHotkeys([['mod+Enter', () => testable && builder.test()]], []);

  return (
    <div className="app">
      <Header catalog={catalog} />
      <ServerBanner server={server} />
      <main className="workspace" data-ran={run.status !== 'idle'}>
        <AgentForm
          form={form}
          server={server}
          provider={provider}
          backends={{ choices, chosen: backend, choose: setWanted }}
          builder={builder}
          onGenerate={generate}
          testable={testable}
          running={isActive(run)}
        />
        <CodePanel
          ref={codeRef}
          file={builder.generated}
          stale={builder.stale}
          generating={builder.generating}
          onRegenerate={generate}
        />
        <RunPanel ref={resultRef} run={run} fullOutput={builder.runner.fullOutput} />
      </main>
      <TokenDialog />
    </div>
  );
}
