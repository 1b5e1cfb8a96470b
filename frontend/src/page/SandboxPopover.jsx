import { HeaderPopover, StateRow } from '../components/HeaderPopover.jsx';
import { ShieldIcon } from '../components/icons.jsx';

/** @import { Sandbox } from '../api/types' */

const LIMITED = 'It has no access to your files, programs or keys, connects only to the model and the hosts you allow, and is stopped if it exceeds its limits.';

/**
 * What a tier means for a user who presses Test Agent.
 * @type {Record<string, string>}
 */
const TIERS = {
  strong: `Each test runs in an isolated sandbox. ${LIMITED}`,
  bubblewrap: `Each test runs in an isolated sandbox made with bubblewrap. ${LIMITED} Starting a test takes a little longer.`,
  landlock:
    'Each test is restricted by the operating system. It can open only its own files, connects only to the model and the hosts you allow, and is stopped if it exceeds its limits. It can see that other programs are running.',
  limits: 'Tests have resource limits only. They can read this computer’s files: don’t run code here that you don’t trust.',
};

/**
 * The layers by the server's names, in plain words. An unknown name is shown as it is.
 * @type {Record<string, string>}
 */
const LAYERS = {
  'private root': 'Own file system: this computer’s files are not visible',
  'private processes': 'Own processes: other programs are not visible',
  'private network': 'Own network: only the model and allowed hosts',
  'private ipc': 'No shared memory or messages with other programs',
  'private host name': 'Host name of this computer hidden',
  'bounded scratch': 'Working folder of limited size, deleted after the test',
  landlock: 'File access restricted by the kernel (Landlock)',
  seccomp: 'System calls filtered (seccomp)',
  capabilities: 'No administrator rights, and no way to get them',
  rlimits: 'Limits on CPU, memory, processes and file sizes',
  'clean environment': 'No keys or settings of the server',
  'signals stay inside': 'Can’t stop other programs',
  'unprivileged user': 'Separate user without permissions on this computer',
  'memory counted by the kernel': 'Memory limit enforced by the kernel for the whole test',
};

/** @param {{ title: string, layers: Sandbox['layers'] }} props */
function Layers({ title, layers }) {
  if (layers.length === 0) return null;
  return (
    <>
      <h3 className="state-title">{title}</h3>
      <ul className="state-list">
        {layers.map(({ name, active, reason }) => (
          <StateRow key={name} name={LAYERS[name] ?? name} active={active} reason={active ? null : reason} />
        ))}
      </ul>
    </>
  );
}

/** @param {{ sandbox: Sandbox, onOpen: () => void }} props */
export function SandboxPopover({ sandbox, onOpen }) {
  const usable = sandbox.available;
  const weak = sandbox.tier === 'limits';
  const tone = !usable ? 'bad' : weak ? 'caution' : 'good';
  return (
    <HeaderPopover
      icon={<ShieldIcon />}
      name="Sandbox"
      summary={usable ? sandbox.tier : 'not available'}
      tone={tone}
      title={usable ? `Sandbox: ${sandbox.tier}` : 'Sandbox: not available'}
      onOpen={onOpen}
    >
      <p className="popover-text">{usable ? TIERS[sandbox.tier] : sandbox.reason}</p>
      <Layers title="Active" layers={sandbox.layers.filter(({ active }) => active)} />
      <Layers title="Not active" layers={sandbox.layers.filter(({ active }) => !active)} />
    </HeaderPopover>
  );
}
