import { execFile } from 'node:child_process';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env, kill } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { loadSigner, sealReport } from '#bundle';
import type { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { eventually } from '../e2e/support/eventually.js';
import { blockProgram } from '../e2e/support/policies.js';
import { Product, projectRoot } from '../e2e/support/product.js';
import { StandIns } from '../e2e/support/stand-in-host.js';
import { filedSecrets, filesBelow, pemWord } from './support/secrets.js';
import { leaks } from './support/wire.js';

const MINUTE = 60_000;
const PASSPHRASE = 'correct horse battery staple';
const PRIVATE_PEM = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

jest.setTimeout(5 * MINUTE);

/** Every key and value that is in etcd, as its own tool prints them, in base64. */
async function copyOfEtcd(product: Product): Promise<readonly Buffer[]> {
  const pki = (name: string) => join(product.dataDir, 'control-plane/pki', name);
  const ports = JSON.parse(await readFile(join(product.dataDir, 'ports.json'), 'utf8')) as {
    etcdClient: number;
  };
  const { stdout } = await promisify(execFile)(
    'etcdctl',
    [
      `--endpoints=https://127.0.0.1:${ports.etcdClient}`,
      `--cacert=${pki('etcd-ca.pem')}`,
      `--cert=${pki('etcd-client.pem')}`,
      `--key=${pki('etcd-client.key')}`,
      ...['get', '', '--from-key', '-w', 'json'],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const { kvs } = JSON.parse(stdout) as { kvs: { key: string; value: string }[] };
  return kvs.flatMap(({ key, value }) => [
    Buffer.from(key, 'base64'),
    Buffer.from(value, 'base64'),
  ]);
}

describe('whoever has a copy of etcd', () => {
  let product: Product;
  let stand: StandIns;
  let host: TestHost;
  let copy: readonly Buffer[];
  beforeAll(async () => {
    product = await Product.up();
    stand = await StandIns.of(product);
    host = await stand.host('web1', 'env=prod');
    await product.apply(blockProgram('block', '/usr/bin/sleep', { env: 'prod' }));
    await host.receives('block');
    copy = await copyOfEtcd(product);
  });
  afterAll(async () => {
    stand.close();
    await product.down();
  });

  const stored = () =>
    copy
      .map((bytes) => bytes.toString('utf8'))
      .filter((text) => text.includes('"wrappedChannelKey"'))
      .map((text) => JSON.parse(text) as { nodeId: string; wrappedChannelKey: string });
  const refused = async () => {
    const { text } = await (await product.rest()).get('/metrics');
    return [...text.matchAll(/reports_refused_total\{.*/g)].join('\n');
  };

  it('ATTACKER: reader of a backup of etcd, looks for the channel keys, the epoch secret and every other key: there is none', async () => {
    const channelKey = host.last?.channelKey ?? Buffer.alloc(0);
    const filed = await filedSecrets(join(product.dataDir, 'control-plane'));
    const words = [
      channelKey.toString('base64').slice(0, 42),
      channelKey.toString('hex'),
      ...filed.map(({ word }) => word),
    ];
    expect(stored().map(({ nodeId }) => nodeId)).toEqual([host.nodeId]);
    expect(filed.length).toBeGreaterThanOrEqual(8);
    expect(leaks(Buffer.concat(copy), words)).toEqual([]);
    expect(copy.filter((bytes) => bytes.includes(channelKey))).toEqual([]);
  });

  it('ATTACKER: reader of a backup of etcd who owns Redis, forges a report with what lies there: it is refused', async () => {
    const wrapped = Buffer.from(stored()[0]?.wrappedChannelKey ?? '', 'base64');
    const report = await host.report('failed');
    const lie = { ...report, sequence: report.sequence + 1, enforcer: 'apparmor' };
    for (const guess of [wrapped.subarray(0, 32), wrapped.subarray(12, 44)]) {
      const before = await refused();
      const sealed = sealReport(guess, host.nodeId, Buffer.from(JSON.stringify(lie)));
      await host.link.writeState(sealed);
      await eventually('it is refused', MINUTE, async () => (await refused()) !== before);
    }
    const { body } = await (await product.rest()).get('/v1/nodes/web1');
    expect(body['enforcer']).toBe('observe');
  });

  it('ATTACKER: local user, looks for what a fall of a program would leave on disk: none may write a core', async () => {
    const { children } = await product.record();
    expect(Object.keys(children)).toEqual(
      expect.arrayContaining(['etcd', 'redis', 'control plane']),
    );
    for (const [name, pid] of Object.entries(children)) {
      const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
      const core = /^Max core file size +(\S+) +(\S+)/m.exec(limits)?.slice(1);
      expect([name, core]).toEqual([name, ['0', '0']]);
    }
  });
});

describe('whoever reads what a fall leaves on a host', () => {
  it.each(['agent', 'compiler', 'sensor'])(
    'ATTACKER: local user on a host, waits for a core of hostward-%s: its unit forbids one',
    async (name) => {
      const unit = `libs/sensor/native/systemd/hostward-${name}.service`;
      expect(await readFile(join(projectRoot, unit), 'utf8')).toMatch(/^LimitCORE=0$/m);
    },
  );
});

describe('whoever has a copy of the data directory of a control plane with a passphrase', () => {
  let product: Product;
  let passphraseFile: string;
  let words: readonly string[];
  /** Keys of etcd and Redis, which they read themselves. */
  let held: readonly string[];
  const folder = () => join(product.dataDir, 'control-plane');

  beforeAll(async () => {
    product = await Product.up();
    words = (await filedSecrets(folder())).map(({ word }) => word);
    held = await heldKeys();
    await product.stop();
    passphraseFile = join(product.dataDir, '..', 'passphrase');
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
    const told = `--data-dir=${product.dataDir}`;
    await product.must(['passphrase', told, `--new-passphrase-file=${passphraseFile}`]);
  });
  afterAll(() => product.down());

  const up = (...more: string[]) =>
    product.cli([
      ...['up', '--detach', '--no-local-agent', `--data-dir=${product.dataDir}`],
      ...[`--listen=127.0.0.1:${product.port}`, ...more],
    ]);

  const started = (...more: string[]) => up(`--passphrase-file=${passphraseFile}`, ...more);
  /** What those who run read their keys from; it has no name. */
  async function heldKeys(): Promise<readonly string[]> {
    const { children } = await product.record();
    const files = [
      [children['etcd'], 3],
      [children['redis'], 4],
    ].map(([pid, fd]) => `/proc/${pid}/fd/${fd}`);
    for (const file of files) expect(await readlink(file)).toMatch(/ \(deleted\)$/);
    return Promise.all(files.map((file) => readFile(file, 'utf8')));
  }

  it('ATTACKER: thief of the data directory, looks for private keys: there is none in clear', async () => {
    const files = await filesBelow(folder());
    const texts = await Promise.all(files.map((file) => readFile(file)));
    const pems = files.filter((_file, i) => PRIVATE_PEM.test(texts[i]?.toString('latin1') ?? ''));
    expect(pems).toEqual([]);
    expect(held.map((key) => PRIVATE_PEM.test(key))).toEqual([true, true]);
    expect(leaks(Buffer.concat(texts), held.map(pemWord))).toEqual([]);
    expect(words.length).toBeGreaterThanOrEqual(8);
    expect(leaks(Buffer.concat(texts), [...words, PASSPHRASE])).toEqual([]);
    const online = await readFile(join(folder(), 'keys/online.key'), 'utf8');
    expect(() => loadSigner(online.trim())).toThrow();
  });

  it('ATTACKER: thief of the data directory, starts it without the passphrase and with another: it ends, and nothing was started', async () => {
    const wrong = join(product.dataDir, '..', 'wrong');
    await writeFile(wrong, 'a guess of the thief\n', { mode: 0o600 });
    for (const [flags, message] of [
      [[], /passphrase is missing: must be given/],
      [[`--passphrase-file=${wrong}`], /wrong: does not open .*vault\.json/],
    ] as const) {
      const { code, stderr } = await up(...flags);
      expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
      expect(stderr).not.toContain('started etcd');
      await expect(product.record()).rejects.toThrow();
    }
  });

  it('starts by the passphrase, and no process, log or configuration of it says the passphrase', async () => {
    const { code, stdout, stderr } = await up(`--passphrase-file=${passphraseFile}`);
    expect([code, stderr]).toEqual([0, '']);
    await eventually('it is ready', MINUTE, async () => (await product.readiness()).status === 200);
    const { pid, children } = await product.record();
    const shown = await Promise.all(
      [pid, ...Object.values(children)].flatMap((each) =>
        ['cmdline', 'environ'].map((name) => readFile(`/proc/${each}/${name}`)),
      ),
    );
    const texts = await Promise.all((await filesBelow(product.dataDir)).map((f) => readFile(f)));
    expect(leaks(Buffer.concat([...shown, ...texts]), [PASSPHRASE])).toEqual([]);
    expect(stdout).not.toContain(PASSPHRASE);
  });

  it('ATTACKER: thief of the disk of a machine on which everything was killed at once, looks for keys of etcd and Redis: they are gone', async () => {
    const before = await heldKeys();
    const { pid, children } = await product.record();
    for (const each of [pid, ...Object.values(children)]) kill(each, 'SIGKILL');
    const left = [product.dataDir, '/dev/shm', env['XDG_RUNTIME_DIR'] ?? '/dev/shm'];
    const files = (await Promise.all(left.map(filesBelow))).flat();
    const texts = await Promise.all(files.map((file) => readFile(file).catch(() => '')));
    const found = Buffer.concat(texts.map((text) => Buffer.from(text)));
    expect(leaks(found, before.map(pemWord))).toEqual([]);
    expect(await started()).toMatchObject({ code: 0 });
    for (const [at, key] of (await heldKeys()).entries()) expect(key).not.toBe(before[at]);
  });

  it('ATTACKER: thief of the data directory, opens a new epoch without the passphrase: it is refused, and by the passphrase it opens', async () => {
    const guess = await product.cli(['recover', '--yes'], { input: 'a guess of the thief\n' });
    expect([guess.code, guess.stderr]).toEqual([
      1,
      expect.stringMatching(/does not open .*vault\.json/),
    ]);
    const file = `--passphrase-file=${passphraseFile}`;
    const { stdout } = await product.must(['recover', '--yes', file]);
    expect(stdout).toMatch(/^epoch 2 is open/);
    const draft = join(product.dataDir, '..', 'root.json');
    await product.must(['root', 'show', '--save', draft]);
    const key = `--key-file=${join(folder(), 'keys/root.key')}`;
    const signed = await product.must(['root', 'sign', draft, key], undefined, `${PASSPHRASE}\n`);
    expect(signed.stdout).toMatch(/1 signatures, complete/);
  });
});
