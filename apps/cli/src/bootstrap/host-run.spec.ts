import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostEnforcer, NodeView } from '#contracts';
import { failureOf } from './failure.js';
import { runHost, type RunSettings } from './host-run.js';
import type { PackageFile } from './package-file.js';
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
  for (const name of ['etc', 'var/trust']) mkdirSync(join(folder, name), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A shell on this machine whose host lies in the folder; what would change the machine is refused. */
function shellOf(preflight: string): Promise<RootShell> {
  const exec = (command: string): Promise<ExecResult> => {
    if (command.includes('/var/cache/hostward-bootstrap'))
      return Promise.resolve({ code: 1, stdout: '', stderr: 'hostward: error busy: changes it\n' });
    if (command.includes('-s -- --url'))
      return Promise.resolve({ code: 0, stdout: preflight, stderr: '' });
    const here = command
      .replaceAll('/etc/hostward', join(folder, 'etc'))
      .replaceAll('/var/lib/hostward', join(folder, 'var'));
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', here], { encoding: 'utf8' });
    return Promise.resolve({ code: status ?? -1, stdout, stderr });
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

const configure = (enforcer: string, ca = CA): void =>
  writeFileSync(
    join(folder, 'etc/agent.yaml'),
    `controlPlane: { url: x, caFingerprint: ${ca} }\n${enforcer}`,
  );
const enroll = (id = NODE_ID): void => writeFileSync(join(folder, 'var/trust/node-id'), `${id}\n`);

const DIFFERS = [
  'enforcer-differs',
  "/etc/hostward/agent.yaml says 'enforcer: observe', and --enforcer bpf is asked for. Nothing was changed",
];

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
  configure('enforcer: observe\n', 'cd'.repeat(32));
  expect(await becameOf('bpf', true)).toEqual(DIFFERS);
  renameSync(join(folder, 'etc/agent.yaml'), join(folder, 'etc/agent.yaml.new'));
  expect(await becameOf('bpf', true)).toEqual(DIFFERS);
});

it('a configuration that will be replaced decides nothing', async () => {
  configure('enforcer: observe\n', 'cd'.repeat(32));
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
