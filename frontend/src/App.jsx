import { useEffect, useRef, useState } from 'react';
import { CodePanel } from './code/CodePanel.jsx';
import { AgentForm } from './components/AgentForm.jsx';
import { answererOf } from './form/answerer.js';
import { backendChoices, effectiveBackend, resolveBackend } from './form/backends.js';
import { useAgentForm } from './form/useAgentForm.js';
import { useBuilder } from './form/useBuilder.js';
import { useInspection } from './form/useInspection.js';
import { useSuccession } from './form/useSuccession.js';
import { useGrants } from './grants/useGrants.js';
import { reveal } from './lib/reveal.js';
import { useDropFile } from './openFile/useDropFile.js';
import { useOpenFile } from './openFile/useOpenFile.js';
import { Header } from './page/Header.jsx';
import { ServerBanner } from './page/ServerBanner.jsx';
import { TokenDialog } from './page/TokenDialog.jsx';
import { useServer } from './page/useServer.js';
import { RunPanel } from './run/RunPanel.jsx';
import { isOfEarlierFile } from './run/runState.js';
import { useEagerTest } from './run/useEagerTest.js';

/** @import { Answerer, Catalog } from './api/types' */
/** @import { Choice } from './form/backends.js' */

/**
 * What a test runs on: the user's choice, as far as it is available.
 * @param {Catalog | null} catalog
 * @param {Answerer | null} answerer
 */
function useBackend(catalog, answerer) {
  const [wanted, choose] = useState(/** @type {Choice} */ ('auto'));
  const choices = backendChoices(catalog, answerer);
  const chosen = effectiveBackend(choices, wanted);
  const backend = catalog?.sandbox.available ? resolveBackend(choices, chosen) : null;
  return { backends: { choices, chosen, choose, answerer }, backend };
}

export function App() {
  const server = useServer();
  const { catalog } = server;
  const { given, hosts, ...grants } = useGrants(catalog);
  const form = useAgentForm(catalog, grants);
  const provider = catalog?.providers.find(({ id }) => id === form.values.provider) ?? null;
  const inspection = useInspection(form.values, catalog);
  const answerer = answererOf(form.values, provider, inspection);
  const { backends, backend } = useBackend(catalog, answerer);
  const builder = useBuilder({ form, server, provider, backend, answerer, given: given.files, granted: hosts.granted });
  const { file, show, runner } = builder;
  const opener = useOpenFile({ form, catalog, show, reportOffline: server.reportOffline });
  const moveTo = useSuccession({ form, builder });
  const waiting = useEagerTest({ server, builder, backend });
  const dropping = useDropFile(opener.open);

  const { run } = runner;
  const codeRef = useRef(/** @type {HTMLElement | null} */ (null));
  const resultRef = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (run.id && !run.restored) reveal(resultRef.current);
  }, [run.id, run.restored]);

  async function generate() {
    if (await builder.generate()) reveal(codeRef.current);
  }

  const keepCode = () => file && opener.openText(file.filename, file.code, { sameAgent: true });
  const local = catalog?.backends.find(({ id }) => id === 'local');

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
          backend={backend}
          inspection={inspection}
          given={given}
          hosts={hosts}
          opener={opener}
          dropping={dropping}
          builder={builder}
          onMove={moveTo}
          onGenerate={generate}
          waiting={waiting}
        />
        <CodePanel
          ref={codeRef}
          file={file}
          base={form.base}
          stale={builder.stale}
          generating={builder.generating}
          actions={{ generate, discardEdits: provider ? builder.discardEdits : undefined, keepCode }}
        />
        <RunPanel
          ref={resultRef}
          run={run}
          earlier={isOfEarlierFile(run, file, builder.busy)}
          offline={server.status === 'offline'}
          localMaxTokens={local?.max_output_tokens ?? null}
          fullOutput={runner.fullOutput}
        />
      </main>
      <TokenDialog />
    </div>
  );
}
