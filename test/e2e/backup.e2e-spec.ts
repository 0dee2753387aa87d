import { execFile, spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { HostSignedStatus, SignedDocument } from '#bundle';
import type { Page, SignedStatusView } from '#contracts';
import { EtcdStore, etcdKeys } from '#etcd';
import { ServerProcess, freePort } from '#testing';
import { restore as putBack } from '../../apps/control-plane/src/commands/backup/restore.js';
import { eventually } from './support/eventually.js';
import { blockProgram } from './support/policies.js';
import { Product, projectRoot } from './support/product.js';

const MINUTE = 60_000;
const SOON = 2 * MINUTE;
const HERE = { env: 'here' };
/** A restore that puts back less than this would be seen as one that strands hosts. */
const LEAST_STEP = 1_000_000;

const run = promisify(execFile);

/** Its keys lie under a passphrase, and a real agent follows it. */
describe('a control plane that is backed up and restored', () => {
  let product: Product;
  let passphrase: string;
  let file: string;

  const at = (...names: string[]) => join(product.dataDir, '..', ...names);
  const up = () =>
    product.must(
      [
        ...['up', '--detach', `--data-dir=${product.dataDir}`],
        ...[`--listen=127.0.0.1:${product.port}`, `--passphrase-file=${passphrase}`],
      ],
      3 * MINUTE,
    );
  const backup = (out: string, ...more: string[]) =>
    product.cli([
      ...['backup', `--data-dir=${product.dataDir}`, `--out=${out}`],
      ...(more.length > 0 ? more : [`--passphrase-file=${passphrase}`]),
    ]);
  const restore = (from: string, dataDir = product.dataDir, secret = passphrase) =>
    product.cli(['restore', from, `--data-dir=${dataDir}`, `--passphrase-file=${secret}`]);

  beforeAll(async () => {
    product = await Product.prepare();
    await mkdir(product.dataDir, { recursive: true });
    passphrase = at('passphrase');
    file = at('first.backup');
    await writeFile(passphrase, 'correct horse battery staple\n', { mode: 0o600 });
    await up();
    await product.must(['label', 'node', hostname(), 'env=here']);
    await product.apply(blockProgram('before', '/usr/bin/sleep', HERE));
  }, 4 * MINUTE);
  afterAll(async () => {
    await product?.down();
  }, MINUTE);

  /** What the agent of this machine says, by its own signature, of policies and of the audit log. */
  async function stated(): Promise<HostSignedStatus | undefined> {
    const { body } = await (await product.rest()).get('/v1/signed-statuses');
    const [view] = (body as unknown as Page<SignedStatusView>).items;
    const payload = (view?.signedStatus as Partial<SignedDocument> | undefined)?.payload;
    if (payload === undefined) return undefined;
    return JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as HostSignedStatus;
  }
  const hostHas = (...names: string[]) =>
    eventually(`the host has ${names.join(', ')}`, SOON, async () => {
      const has = (await stated())?.policies.map(({ name }) => name).toSorted();
      return JSON.stringify(has) === JSON.stringify(names.toSorted());
    });
  const newestSeen = async (): Promise<number> => {
    const heads = ((await stated())?.auditLog ?? []) as readonly SignedDocument[];
    const seqs = heads.map(({ payload }) => {
      const head = JSON.parse(Buffer.from(payload, 'base64').toString()) as { seq: number };
      return head.seq;
    });
    return Math.max(0, ...seqs);
  };
  const newestEntry = async (): Promise<number> => {
    const { stdout } = await product.must(['audit-log', 'list', '--limit=1', '--output=name']);
    return Number(stdout.trim());
  };

  it(
    'is backed up while it is written to, at one revision, with its keys as they lie',
    async () => {
      let writing = true;
      const writer = (async () => {
        for (let i = 0; writing; i += 1)
          await product.apply(blockProgram(`load-${i % 5}`, `/x/${i}`, { env: 'no' }));
      })();
      const made = await backup(file);
      writing = false;
      await writer;
      expect([made.code, made.stderr]).toEqual([0, '']);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      const { stdout } = await run('tar', ['-tf', file]);
      const names = stdout.trim().split('\n');
      expect(names).toEqual(expect.arrayContaining(['etcd.db', 'audit-log.db', 'keys/vault.json']));
      expect(names.filter((name) => /etcd\.key|redis\.key|passphrase/.test(name))).toEqual([]);
      const key = await run('tar', ['-xOf', file, 'keys/online.key']);
      expect(key.stdout).toContain('"hostward":"sealed-file"');
      expect((await readdir(dirname(file))).filter((name) => name.includes('.part'))).toEqual([]);
    },
    2 * MINUTE,
  );

  it('is not backed up over another backup, or by the wrong passphrase', async () => {
    const again = await backup(file);
    expect([again.code, again.stderr]).toEqual([
      1,
      `error: ${file}: is there already\nremedy: name another file: no backup is overwritten\n`,
    ]);
    await writeFile(at('wrong'), 'incorrect horse battery\n', { mode: 0o600 });
    const wrong = await backup(at('other.backup'), `--passphrase-file=${at('wrong')}`);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('does not open')]);
    expect(existsSync(at('other.backup'))).toBe(false);
  });

  it('leaves no file where it is killed in the middle, and the next run makes a whole one', async () => {
    const [out, left] = [at('killed.backup'), at('.hostward-killed.backup.part')];
    const config = join(product.dataDir, 'control-plane/control-plane.yaml');
    // Told by the kernel: a backup is done before anybody who asks now and then has seen its beginning.
    const begun = Promise.withResolvers<void>();
    const watcher = watch(at('.'), (_, name) => {
      if (name === '.hostward-killed.backup.part') begun.resolve();
    });
    const child = spawn(
      execPath,
      [
        ...['--disable-warning=ExperimentalWarning'],
        join(projectRoot, 'dist/apps/control-plane/src/bundle.js'),
        ...['backup', `--config=${config}`, `--out=${out}`, `--passphrase-file=${passphrase}`],
      ],
      { stdio: 'ignore' },
    );
    await begun.promise;
    child.kill('SIGKILL');
    watcher.close();
    await new Promise((resolve) => child.once('close', resolve));
    expect([existsSync(left), existsSync(out)]).toEqual([true, false]);
    expect((await backup(out)).code).toBe(0);
    expect(existsSync(left)).toBe(false);
    await rm(out);
  });

  it('says so where the disk is full, and leaves nothing', async () => {
    const small = at('small');
    await mkdir(small);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', small]);
    try {
      const full = await backup(join(small, 'x.backup'));
      expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('the disk is full')]);
      expect(await readdir(small)).toEqual([]);
      const target = await restore(file, join(small, 'data'));
      expect([target.code, target.stderr]).toEqual([
        1,
        expect.stringContaining('the disk is full'),
      ]);
      expect((await readdir(join(small, 'data')).catch(() => [])).filter((n) => n !== 'x')).toEqual(
        [],
      );
    } finally {
      await run('umount', [small]);
    }
  });

  it('is not restored from what is no backup, was damaged or cut, nor without its passphrase', async () => {
    const bytes = await readFile(file);
    const config = bytes.indexOf('advertised:');
    const changed = Buffer.from(bytes);
    changed[config] = 0x41;
    const manifest = Buffer.from(bytes);
    const digit = manifest.indexOf('"sha256": "') + '"sha256": "'.length;
    manifest.writeUInt8(manifest.readUInt8(digit) === 0x30 ? 0x31 : 0x30, digit);
    const to = { dataDir: at('elsewhere/cp'), etcdDir: at('elsewhere/etcd') };
    const attempt = (
      from: string,
      secret: { passphraseFile?: string } = { passphraseFile: passphrase },
    ) => putBack(from, { ...to, ...secret });
    for (const [name, content, words] of [
      ['foreign', Buffer.from('no archive'), /foreign: is no backup of Hostward/],
      ['cut', bytes.subarray(0, Math.floor(bytes.length / 2)), /cut: is damaged/],
      ['changed', changed, /changed: is damaged: control-plane\.yaml is not what/],
      ['manifest', manifest, /manifest: is no backup of Hostward, or was damaged/],
    ] as const) {
      await writeFile(at(name), content);
      await expect(attempt(at(name))).rejects.toThrow(words);
    }
    await expect(attempt(at('nowhere'))).rejects.toThrow('nowhere: there is no such file');
    await expect(attempt(file, { passphraseFile: at('wrong') })).rejects.toThrow('does not open');
    await expect(attempt(file, {})).rejects.toThrow('passphrase is missing');
    expect((await readdir(at('elsewhere')).catch(() => [])).length).toBe(0);
  });

  it('is not restored over what is there, or while it is up', async () => {
    const running = await restore(file);
    expect([running.code, running.stderr]).toEqual([1, expect.stringContaining('is up')]);
    await mkdir(at('used/etcd/member'), { recursive: true });
    const used = await restore(file, at('used'));
    expect([used.code, used.stderr]).toEqual([1, expect.stringContaining('overwrites nothing')]);
    expect(await readdir(at('used'))).toEqual(['etcd']);
    const nowhere = await restore(file, '/proc/x');
    expect([nowhere.code, nowhere.stderr]).toEqual([
      1,
      expect.stringMatching(/^error: \/proc\/x\/control-plane.* cannot be made: .*\nremedy: /),
    ]);
  });

  it('is not put in place before the ports of Redis are kept', async () => {
    const elsewhere = at('no-ports');
    await mkdir(join(elsewhere, 'ports.json', 'in-the-way'), { recursive: true });
    expect((await restore(file, elsewhere)).code).toBe(1);
    expect(await readdir(elsewhere)).toEqual(['ports.json']);
    await rm(join(elsewhere, 'ports.json'), { recursive: true });
    expect((await restore(file, elsewhere)).code).toBe(0);
    const ports = async (dataDir: string) =>
      JSON.parse(await readFile(join(dataDir, 'ports.json'), 'utf8')) as object;
    expect(await ports(product.dataDir)).toMatchObject(await ports(elsewhere));
    expect(Object.keys(await ports(elsewhere))).toEqual(['redis', 'redisEvents']);
  });

  it(
    'is led on by an old backup when all is lost: the host, which is ahead, follows, and the audit log says what is missing',
    async () => {
      await product.apply(blockProgram('late', '/usr/bin/nc', HERE));
      await hostHas('before', 'late');
      const end = await newestEntry();
      await eventually('the host has seen the end', SOON, async () => (await newestSeen()) >= end);
      expect((await product.cli(['audit-log', 'verify'])).code).toBe(0);
      await product.stop();
      await mkdir(at('lost'));
      for (const name of ['control-plane', 'etcd', 'ports.json'])
        await rename(join(product.dataDir, name), at('lost', name));

      const restored = await restore(file);
      expect([restored.code, restored.stdout]).toEqual([
        0,
        expect.stringMatching(/restored the state of .*etcd revision \d+/),
      ]);
      await up();
      await hostHas('before');
      const { checks } = await product.readiness();
      expect([checks['restore']?.ok, checks['audit-log-heads']?.ok]).toEqual([true, true]);

      const broken = await product.cli(['audit-log', 'verify']);
      const words = /entry (\d+) tells of a restore.*audit-log verify --restored \1/s;
      expect([broken.code, broken.stderr]).toEqual([1, expect.stringMatching(words)]);
      const seq = words.exec(broken.stderr)?.[1] ?? '';
      expect((await product.cli(['audit-log', 'verify', '--restored', seq])).code).toBe(0);
      expect((await product.cli(['audit-log', 'verify'])).code).toBe(0);
      expect((await product.must(['audit-log', 'list', '-o', 'json'])).stdout).toContain(
        'audit-log.restored',
      );
    },
    8 * MINUTE,
  );

  it(
    'serves without the agent of this machine, whose keys no backup holds, until its host has left',
    async () => {
      await product.stop();
      await rename(join(product.dataDir, 'agent'), at('lost', 'agent'));
      expect((await up()).stdout).toMatch(/NOT READY: agent: .*hostward node offboard/);
      await product.must(['node', 'offboard', hostname()]);
      await product.stop();
      expect((await up()).stdout).not.toContain('NOT READY');
      await hostHas();
    },
    4 * MINUTE,
  );

  it(
    'goes on in a cluster of three, whose members agree and of which one may fail',
    async () => {
      const members = await Promise.all(
        ['a', 'b', 'c'].map(async (name) => ({
          name,
          client: await freePort(),
          peer: await freePort(),
        })),
      );
      const of = (peer: number) => `http://127.0.0.1:${peer}`;
      const { code, stdout } = await product.cli([
        ...[
          'restore',
          file,
          `--control-plane-dir=${at('three/cp')}`,
          `--etcd-dir=${at('three/etcd')}`,
        ],
        ...members.map(({ name, peer }) => `--etcd-member=${name}=${of(peer)}`),
        `--passphrase-file=${passphrase}`,
      ]);
      expect(code).toBe(0);
      const revision = Number(/etcd revision (\d+)/.exec(stdout)?.[1]);
      const servers = await Promise.all(
        members.map(({ name, client, peer }) =>
          ServerProcess.start({
            command: 'etcd',
            args: [
              ...[`--name=${name}`, `--data-dir=${at('three/etcd', name)}`],
              ...[`--listen-client-urls=${of(client)}`, `--advertise-client-urls=${of(client)}`],
              ...[`--listen-peer-urls=${of(peer)}`, `--initial-advertise-peer-urls=${of(peer)}`],
            ],
            ready: /serving client traffic|serving insecure client requests/,
          }),
        ),
      );
      const store = EtcdStore.connect({ hosts: members.map(({ client }) => of(client)) });
      try {
        const names = async () => (await store.list(etcdKeys.policies)).items.map(({ key }) => key);
        expect(await names()).toContain(etcdKeys.policy('before'));
        expect(await names()).not.toContain(etcdKeys.policy('late'));
        expect(Number(await store.revision())).toBeGreaterThanOrEqual(revision + LEAST_STEP);
        await servers[0]?.kill9();
        await eventually('two of three serve', MINUTE, async () => {
          const written = await store.transact({
            then: [{ type: 'put', key: etcdKeys.policy('probe'), value: '{}' }],
          });
          return written.succeeded;
        });
      } finally {
        store.close();
        for (const server of servers) await server.stop();
      }
    },
    3 * MINUTE,
  );
});
