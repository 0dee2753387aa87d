import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostEnforcer, NodeView } from '#contracts';
import { failureOf } from './failure.js';
import { startScript } from './host-scripts.js';
import { runHost, type RunSettings } from './host-run.js';
import type { PackageFile } from './package-file.js';
import { parseFacts, probeScript } from './probe.js';
import { RootShell } from './root-shell.js';
import type { ExecResult, SshSession } from './ssh-session.js';
import { parseTarget } from './target.js';

const CA = 'ab'.repeat(32);
const NODE_ID = '7'.repeat(64);
/** What a host with which nothing is wrong says of itself. */
const FINE = JSON.stringify({ check: 'all', verdict: 'ok', cause: '', remedy: '' });
const NO_LSM = JSON.stringify({ check: 'lsm', verdict: 'failed', cause: 'none', remedy: '' });

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-host-run-'));
  for (const name of ['etc', 'var/trust', 'lib'])
    mkdirSync(join(folder, name), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

const etc = (): string => join(folder, 'etc');

function runHere(script: string) {
  const here = script
    .replaceAll('/etc/hostward', etc())
    .replaceAll('/usr/lib/hostward', join(folder, 'lib'))
    .replaceAll('/var/lib/hostward', join(folder, 'var'))
    .replaceAll('/var/cache', join(folder, 'cache'));
  return spawnSync('/bin/sh', ['-c', here], { encoding: 'utf8' });
}

/** A shell on this machine whose host lies in the folder; what would change the machine is refused. */
function shellOf(preflight: string): Promise<RootShell> {
  const exec = (command: string): Promise<ExecResult> => {
    if (command.includes('/var/cache/hostward-bootstrap'))
      return Promise.resolve({ code: 1, stdout: '', stderr: 'hostward: error busy: changes it\n' });
    if (command.includes('-s -- --url'))
      return Promise.resolve({ code: 0, stdout: preflight, stderr: '' });
    const { status, stdout, stderr } = runHere(command);
    return Promise.resolve({
      code: status ?? -1,
      stdout: stdout.replaceAll(etc(), '/etc/hostward'),
      stderr,
    });
  };
  const session = { user: 'root', exec } as unknown as SshSession;
  return RootShell.of(session, undefined, AbortSignal.timeout(60_000));
}

const PACKAGES = (['amd64', 'arm64'] as const).map((arch): PackageFile => {
  const file = `hostward-agent_1_linux-${arch}.tar.xz`;
  return { file, path: file, arch, format: 'tar', sha256: '', bytes: 1 };
});
const NODE: NodeView = {
  ...{ name: 'web1', nodeId: NODE_ID, labels: {}, groups: [], revision: '1', phase: 'enrolled' },
  ...{ connected: true, policies: 0, document: {} },
};

/** The code for which the host does not come in, and its words; else its state. */
async function becameOf(enforcer: HostEnforcer | undefined, dryRun: boolean, said = FINE) {
  const settings: RunSettings = {
    ...{ url: 'https://cp:7443', caFingerprint: CA, preflight: '', nodes: [NODE] },
    ...{ enforcer, dryRun, packages: PACKAGES, token: () => Promise.resolve('token') },
  };
  const signal = AbortSignal.timeout(60_000);
  const tools = { shell: await shellOf(said), signal, tell: () => undefined };
  const target = parseTarget('root@web2', 'web2');
  return runHost(target, settings, tools).then(
    ({ state }) => [state],
    (error: unknown) => [failureOf(error).code, failureOf(error).message],
  );
}

const OTHER = 'cd'.repeat(32);
const yaml = (enforcer: string, ca = CA): string =>
  `controlPlane: { url: x, caFingerprint: ${ca} }\n${enforcer}`;
const configure = (enforcer: string, ca = CA, file = 'agent.yaml'): void =>
  writeFileSync(join(etc(), file), yaml(enforcer, ca));
const enroll = (id = NODE_ID): void => writeFileSync(join(folder, 'var/trust/node-id'), `${id}\n`);

const differs = (file: string, kept: string, asked: string): readonly string[] => [
  'enforcer-differs',
  `/etc/hostward/${file} says 'enforcer: ${kept}', and --enforcer ${asked} is asked for. Nothing was changed`,
];
const DIFFERS = differs('agent.yaml', 'observe', 'bpf');

describe.each([
  ['that is enrolled', true],
  ['whose configuration names the CA', false],
])('a host %s', (_what, enrolled) => {
  beforeEach(() => {
    if (enrolled) enroll();
  });

  it.each([true, false])('is refused another enforcer than it keeps, dry run: %s', async (dry) => {
    configure('enforcer: "observe" # ours\n');
    expect(await becameOf('bpf', dry)).toEqual(DIFFERS);
  });

  it('has the one that it keeps, which is auto where it says nothing', async () => {
    configure('enforcer: observe\n');
    for (const enforcer of ['observe', undefined] as const)
      expect(await becameOf(enforcer, true)).toEqual(['ready']);
    configure('');
    expect(await becameOf('auto', true)).toEqual(['ready']);
    expect((await becameOf('observe', true))[0]).toBe('enforcer-differs');
  });
});

it('a host whose CA was replaced since, and one of a broken run, are compared all the same', async () => {
  enroll();
  configure('enforcer: observe\n', OTHER);
  expect(await becameOf('bpf', true)).toEqual(DIFFERS);
  renameSync(join(folder, 'etc/agent.yaml'), join(folder, 'etc/agent.yaml.new'));
  expect(await becameOf('bpf', true)).toEqual(differs('agent.yaml.new', 'observe', 'bpf'));
});

describe('a run that was broken off between the enrolment and the new name of its configuration', () => {
  /** What is in the folder of the configuration after the script that starts the services. */
  function started(): object {
    const units = 'systemctl() { :; }\n';
    const { status, stderr } = runHere(startScript(CA).replace('alone\n', `${units}alone\n`));
    expect([status, stderr]).toEqual([0, '']);
    return Object.fromEntries(
      readdirSync(etc()).map((file) => [file, readFileSync(join(etc(), file), 'utf8')]),
    );
  }
  const OF_OTHER = yaml('enforcer: observe\n', OTHER);
  const OURS = yaml('enforcer: bpf\n');

  it('goes on by that, where the machine keeps one of another fleet', async () => {
    enroll();
    configure('enforcer: observe\n', OTHER);
    configure('enforcer: bpf\n', CA, 'agent.yaml.new');
    expect(await becameOf('bpf', true)).toEqual(['ready']);
    expect(await becameOf('observe', true)).toEqual(differs('agent.yaml.new', 'bpf', 'observe'));
    expect(started()).toEqual({ 'agent.yaml': OURS, 'agent.yaml.before': OF_OTHER });
  });

  it('goes on by that, where the machine keeps none', () => {
    configure('enforcer: bpf\n', CA, 'agent.yaml.new');
    expect(started()).toEqual({ 'agent.yaml': OURS });
  });

  it.each([
    ['of ours beside what a try before has left', CA, CA],
    ['of before the CA was replaced beside one of another fleet', OTHER, OTHER],
  ])('is not taken for it: one %s', async (_what, ca, ofNew) => {
    enroll();
    configure('enforcer: observe\n', ca);
    configure('enforcer: bpf\n', ofNew, 'agent.yaml.new');
    expect(await becameOf('bpf', true)).toEqual(DIFFERS);
    expect(started()).toEqual({
      'agent.yaml': yaml('enforcer: observe\n', ca),
      'agent.yaml.new': yaml('enforcer: bpf\n', ofNew),
    });
  });

  it('has not been ended by services that run, by another configuration', () => {
    enroll();
    configure('enforcer: observe\n', OTHER);
    configure('enforcer: bpf\n', CA, 'agent.yaml.new');
    const probe = probeScript(CA).replace('tell machine', 'systemctl() { :; }\ntell machine');
    expect(parseFacts(runHere(probe).stdout).running).toBe(false);
    renameSync(join(etc(), 'agent.yaml.new'), join(etc(), 'agent.yaml'));
    expect(parseFacts(runHere(probe).stdout).running).toBe(true);
  });
});

it('a configuration that will be replaced decides nothing', async () => {
  configure('enforcer: observe\n', OTHER);
  expect(await becameOf('bpf', true)).toEqual(['ready']);
  expect(await becameOf('bpf', true, NO_LSM)).toEqual(['no-lsm', 'none']);
});

it('a host of another fleet is that first, whatever it enforces by', async () => {
  enroll('8'.repeat(64));
  configure('enforcer: observe\n');
  expect((await becameOf('bpf', true))[0]).toBe('enrolled-elsewhere');
});

it('a host that goes on observing needs no LSM', async () => {
  configure('enforcer: observe\n');
  expect(await becameOf(undefined, true, NO_LSM)).toEqual(['ready']);
});
