import { useEffect, useRef, useState } from 'react';
import { answererOf } from './form/answerer.js';
import { backendChoices, effectiveBackend, resolveBackend } from './form/backends.js';
import { AgentForm } from './components/AgentForm.jsx';
import { CodePanel } from './code/CodePanel.jsx';
import { Header } from './page/Header.jsx';
import { RunPanel } from './run/RunPanel.jsx';
import { ServerBanner } from './page/ServerBanner.jsx';
import { TokenDialog } from './page/TokenDialog.jsx';
import { reveal } from './lib/reveal.js';
import { isOfEarlierFile } from './run/runState.js';
import { useAgentForm } from './form/useAgentForm.js';
import { useBuilder } from './form/useBuilder.js';
import { useDropFile } from './openFile/useDropFile.js';
import { useEagerTest } from './run/useEagerTest.js';
import { useGrants } from './grants/useGrants.js';
import { useOpenFile } from './openFile/useOpenFile.js';
import { useServer } from './page/useServer.js';
import { useSuccession } from './form/useSuccession.js';

/** What a test runs on, from what the page shows of it. */
function useBackend(catalog, provider, values) {
  const answerer = answererOf(values, provider);
  const [wanted, setWanted] = useState('auto');
  const choices = backendChoices(catalog, answerer);
  const chosen = effectiveBackend(choices, wanted);
  const runnable = provider && catalog.sandbox.available !== false;
  return { backends: { choices, chosen, choose: setWanted, answerer }, backend: runnable ? resolveBackend(choices, chosen) : null };
}

export function App() {
  const server = useServer();
  const { catalog } = server;
  const { given, hosts, ...grants } = useGrants(catalog);
  const form = useAgentForm(catalog, grants);
  const provider = catalog?.providers.find(({ id }) => id === form.values.provider) ?? null;
  const { backends, backend } = useBackend(catalog, provider, form.values);
  const builder = useBuilder({ form, server, provider, backend, answerer: backends.answerer, given: given.files, granted: hosts.granted });
  const { file, show, runner } = builder;
  const opener = useOpenFile({ form, catalog, show, reportOffline: server.reportOffline });
  const succession = useSuccession({ form, builder });
  const waiting = useEagerTest({ server, builder, backend });
  const dropping = useDropFile(opener.open);

  const { run } = runner;
  const codeRef = useRef(null);
  const resultRef = useRef(null);
  useEffect(() => {
    if (run.id && !run.restored) reveal(resultRef.current);
  }, [run.id, run.restored]);

  async function generate() {
    if (await builder.generate()) reveal(codeRef.current);
  }

  const keepFile = () => opener.openText(file.filename, file.code, { sameAgent: true });

  return (
    <div className="app">
      <Header catalog={catalog} onLook={server.refresh} />
      <ServerBanner server={server} />
      <main className="workspace" data-ran={run.status !== 'idle'}>
        <AgentForm
          form={form}
          server={server}
          provider={provider}
          backends={backends}
          given={given}
          hosts={hosts}
          opener={opener}
          dropping={dropping}
          builder={builder}
          succession={succession}
          onGenerate={generate}
          waiting={waiting}
          backend={backend}
        />
        <CodePanel
          ref={codeRef}
          file={file}
          base={form.base}
          stale={builder.stale}
          generating={builder.generating}
          actions={{ generate, writeAnew: provider && builder.writeAnew, keepFile }}
        />
        <RunPanel
          ref={resultRef}
          run={run}
          earlier={isOfEarlierFile(run, file, builder.busy)}
          offline={server.status === 'offline'}
          fullOutput={runner.fullOutput}
        />
      </main>
      <TokenDialog />
    </div>
  );
}
