import { HeaderPopover, StateRow } from '../components/HeaderPopover.jsx';
import { ShieldIcon } from '../components/icons.jsx';

const CLOSED = 'it finds none of your files, programs or keys, reaches only the model and what you grant, and is ended when it uses too much';

/** What a tier means for whoever presses Test Agent. */
const TIERS = {
  strong: `Each test runs in a small closed world of its own: ${CLOSED}.`,
  bubblewrap: `Each test runs in a small closed world of its own, made by the program bubblewrap: ${CLOSED}. Starting one takes a little longer.`,
  landlock: 'Each test runs behind locks of the operating system: it may open only its own files, reaches only the model and what you grant, and is ended when it uses too much. It can see that other programs are there.',
  limits: 'Tests are only kept from using too much. They can read this computer’s files: run nothing here that you don’t trust.',
};

/** The layers by the server's names, in plain words. A name that is not here stands as it is. */
const LAYERS = {
  'private root': 'Own files: this computer’s are not there',
  'private processes': 'Own processes: no other programs to see or to touch',
  'private network': 'Own network: only the model and granted hosts',
  'private ipc': 'No shared memory or messages with other programs',
  'private host name': 'A made-up host name',
  'bounded scratch': 'A bounded folder of its own, gone after the test',
  landlock: 'Files guarded by the kernel (Landlock)',
  seccomp: 'System calls filtered (seccomp)',
  capabilities: 'No administrator’s rights, and no way to get them',
  rlimits: 'Bounds on CPU, memory, processes and file sizes',
  'clean environment': 'No keys or settings of the server',
  'signals stay inside': 'Can’t stop other programs',
  'unprivileged user': 'A user of its own, with no rights here',
  'memory counted by the kernel': 'Memory counted by the kernel, for all of a test together',
};

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

export function SandboxPopover({ sandbox, onOpen }) {
  const usable = sandbox.available !== false;
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
      <Layers title="What holds here" layers={sandbox.layers.filter(({ active }) => active)} />
      <Layers title="What does not" layers={sandbox.layers.filter(({ active }) => !active)} />
    </HeaderPopover>
  );
}
