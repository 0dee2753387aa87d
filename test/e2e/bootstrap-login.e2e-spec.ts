import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type SimulatedHost, SimulatedHosts } from '#testing';
import { BootstrapRig } from './support/bootstrap-rig.js';
import { eventually } from './support/eventually.js';
import { SshAgent } from './support/ssh-agent.js';
import { Terminal } from './support/terminal.js';

const MINUTE = 60_000;
/** An sshd that takes a password by keyboard-interactive alone, which it asks PAM about. */
const BY_KEYBOARD = {
  sshd: 'UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\n',
  prepare: `printf '%s required pam_unix.so\\n' auth account session >/etc/pam.d/sshd`,
};

jest.setTimeout(5 * MINUTE);

let rig: BootstrapRig;
let other: SimulatedHost;

beforeAll(async () => {
  rig = await BootstrapRig.start();
  other = await rig.lab.start({ name: 'other' });
}, 10 * MINUTE);

afterAll(() => rig?.close());

describe('a host is not taken for another', () => {
  let host: SimulatedHost;
  beforeAll(async () => {
    host = await rig.lab.start({ name: 'keyed' });
  });

  async function keyWords(): Promise<{ fingerprint: string; line: string }> {
    const line = (await readFile(rig.lab.knownHosts, 'utf8'))
      .split('\n')
      .find((each) => each.includes(`:${host.port} `));
    const blob = Buffer.from(line?.split(' ')[2] ?? '', 'base64');
    const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
    return { fingerprint: `SHA256:${digest}`, line: line ?? '' };
  }

  it('a key that nobody knows is refused with its fingerprint, and nothing is sent', async () => {
    const empty = await rig.secret('nobody', '# none');
    const { code, host: report } = await rig.one(host, ['--known-hosts', empty, '--dry-run']);
    const { fingerprint } = await keyWords();
    expect([code, report]).toEqual([
      1,
      expect.objectContaining({
        state: 'failed',
        code: 'host-key-unknown',
        message: expect.stringContaining(fingerprint),
        remedy: expect.stringContaining('ssh-keygen -lf'),
      }),
    ]);
  });

  it('another key than the known one is refused, also when all others are right', async () => {
    const text = await readFile(rig.lab.knownHosts, 'utf8');
    const foreign = text.split('\n').find((line) => line.includes(`:${other.port} `));
    const changed = await rig.secret(
      'changed',
      foreign?.replace(`${other.port}`, `${host.port}`) ?? '',
    );
    expect((await rig.one(host, ['--known-hosts', changed, '--dry-run'])).host).toMatchObject({
      state: 'failed',
      code: 'host-key-changed',
    });
  });

  it('a fingerprint that is given, or a hashed line, lets it through', async () => {
    const { fingerprint, line } = await keyWords();
    const empty = await rig.secret('nobody', '# none');
    const given = ['--known-hosts', empty, '--host-key-fingerprint', fingerprint, '--dry-run'];
    expect((await rig.one(host, given)).host).toMatchObject({ state: 'ready', name: 'keyed' });
    const hashed = await rig.secret('hashed', line);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', hashed], { stdio: 'ignore' });
    expect(await readFile(hashed, 'utf8')).toMatch(/^\|1\|/);
    expect((await rig.one(host, ['--known-hosts', hashed, '--dry-run'])).host).toMatchObject({
      state: 'ready',
    });
  });
});

describe('ways to log in and to become root', () => {
  it('a password, sudo with it, a bastion; wrong ones are told apart', async () => {
    const may = `echo 'deploy ALL=(ALL) ALL' >/etc/sudoers.d/deploy`;
    const free = `echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy`;
    const [asks, open, none] = await Promise.all([
      rig.lab.start({ name: 'sudo-asks', prepare: may }),
      rig.lab.start({ name: 'sudo-free', prepare: free }),
      rig.lab.start({ name: 'sudo-none' }),
    ]);
    const right = await rig.secret('password', SimulatedHosts.deployPassword);
    const wrong = await rig.secret('wrong', 'not-the-password');
    const deploy = { user: 'deploy', key: [] };
    expect((await rig.one(asks, ['--password-file', wrong], deploy)).host).toMatchObject({
      code: 'auth-failed',
    });
    const keyed = { user: 'deploy' };
    expect((await rig.one(asks, ['--sudo-password-file', wrong], keyed)).host).toMatchObject({
      code: 'sudo-failed',
    });
    const password = ['--password-file', right];
    const run = await rig.bootstrap([asks, none, open], password, deploy);
    expect(run.hosts.map(({ state, code }) => code ?? state)).toEqual([
      'enrolled',
      'sudo-failed',
      'enrolled',
    ]);
    // The bastion's own login is checked like any other.
    const jump = ['--jump', `deploy@127.0.0.1:${asks.port}`];
    const through = await rig.bootstrap([open], [...password, ...jump], deploy);
    expect(through.hosts[0]).toMatchObject({ state: 'unchanged', name: 'sudo-free' });
    expect(through.hosts[0]).not.toHaveProperty('sentBytes');
    const empty = await rig.secret('nobody', '# none');
    const unknown = await rig.bootstrap(
      [open],
      [...password, ...jump, '--known-hosts', empty],
      deploy,
    );
    expect(unknown.hosts[0]).toMatchObject({ code: 'host-key-unknown' });
  });

  it('a key that only an ssh-agent has, also through a bastion; without it nothing lets one in', async () => {
    const sshd = 'PasswordAuthentication no\n';
    const [host, bastion] = await Promise.all([
      rig.lab.start({ name: 'keys-alone', sshd }),
      rig.lab.start({ name: 'keys-bastion', sshd }),
    ]);
    const agent = await SshAgent.start(rig.folder, rig.lab.keyFile);
    try {
      const held = { key: [], agent: agent.socket };
      expect((await rig.one(host, [], held)).host).toMatchObject({ state: 'enrolled' });
      const through = ['--jump', `root@127.0.0.1:${bastion.port}`];
      expect((await rig.one(host, through, held)).host).toMatchObject({ state: 'unchanged' });
    } finally {
      await agent.end();
    }
    const none = { key: [] };
    expect((await rig.one(host, ['--dry-run'], none)).host).toMatchObject({ code: 'auth-failed' });
  });

  it('a password that sshd asks for by keyboard-interactive alone; a wrong one is told', async () => {
    const prepare = `${BY_KEYBOARD.prepare}; echo 'deploy ALL=(ALL) ALL' >/etc/sudoers.d/deploy`;
    const host = await rig.lab.start({ ...BY_KEYBOARD, name: 'keyboard', prepare });
    const deploy = { user: 'deploy', key: [] };
    const wrong = ['--password-file', await rig.secret('not-it', 'not-the-password')];
    expect((await rig.one(host, wrong, deploy)).host).toMatchObject({ code: 'auth-failed' });
    const right = ['--password-file', await rig.secret('it', SimulatedHosts.deployPassword)];
    expect((await rig.one(host, right, deploy)).host).toMatchObject({ state: 'enrolled' });
    // Whoever left a desktop has a variable that leads to no ssh-agent: every other way is tried.
    const stale = { ...deploy, agent: join(rig.folder, 'no-agent.sock') };
    expect((await rig.one(host, right, stale)).host).toMatchObject({ state: 'unchanged' });
  });

  it('a password file that others may read is none', async () => {
    const file = await rig.secret('open', 'password');
    await chmod(file, 0o644);
    const args = ['bootstrap', `root@127.0.0.1:${other.port}`, '--package', rig.packageFile];
    const result = await rig.product.cli([...args, '--password-file', file]);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('chmod 600') });
  });
});

describe('at a terminal', () => {
  const atTerminal = (...args: readonly string[]): Terminal =>
    new Terminal(args, {
      XDG_CONFIG_HOME: rig.product.configHome,
      SSH_AUTH_SOCK: '',
      HOME: rig.folder,
    });

  it('a host key is asked about after the password, and kept by a yes', async () => {
    const host = await rig.lab.start({ name: 'asked' });
    const known = await rig.secret('kept', '# none');
    const reach = [`deploy@127.0.0.1:${host.port}`, '--ask-password', '--known-hosts', known];
    const terminal = atTerminal('node', 'preflight', ...reach);
    await terminal.shows('password: ');
    terminal.type(`${SimulatedHosts.deployPassword}\r`);
    await terminal.shows('[y/N] ');
    terminal.type('yes\r');
    await terminal.shows(' checks, ');
    await terminal.ended;
    expect(await readFile(known, 'utf8')).toContain(`[127.0.0.1]:${host.port} `);
  });

  it('Ctrl-C at that question breaks off the whole run, and the report tells of each host', async () => {
    const hangs = `printf '#!/bin/sh\\n: >/var/hangs; exec sleep 600\\n' >/usr/local/bin/tar; chmod 755 /usr/local/bin/tar`;
    const [slow, asked] = await Promise.all([
      rig.lab.start({ name: 'slow', prepare: hangs }),
      rig.lab.start({ name: 'not-known' }),
    ]);
    const lines = (await readFile(rig.lab.knownHosts, 'utf8')).split('\n');
    const known = await rig.secret(
      'all-but-one',
      lines.filter((line) => !line.includes(`:${asked.port} `)).join('\n'),
    );
    const before = await rig.tokens();
    const targets = [slow, asked].map(({ port }) => `root@127.0.0.1:${port}`);
    const reach = [
      '--identity',
      rig.lab.keyFile,
      '--known-hosts',
      known,
      '--package',
      rig.packageFile,
    ];
    const terminal = atTerminal('bootstrap', ...targets, ...reach);
    await terminal.shows('[y/N] ');
    await eventually('the other one installs', MINUTE, async () =>
      (await slow.run('ls /var/hangs')).stdout.includes('hangs'),
    );
    terminal.type('\u0003');
    const code = await terminal.ended;
    const told = targets.map((each) => terminal.shown.includes(`\n${each}: interrupted: `));
    expect({ code, told, shown: terminal.shown }).toEqual({
      code: 1,
      told: [true, true],
      shown: expect.stringContaining('2 of 2 hosts did not come in'),
    });
    expect(await rig.tokens()).toEqual(before);
  });
});
