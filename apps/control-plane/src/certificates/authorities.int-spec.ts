import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createAuthority, fingerprint } from '#pki';
import { layout } from '../commands/init/layout.js';
import { SecretFiles } from '../config/secret-files.js';
import { Authorities, checkNext } from './authorities.js';
import { authorityPaths, type AuthorityPaths } from './authority-paths.js';

let folder: string;
let paths: AuthorityPaths;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hw-authorities-'));
  const file = (name: string): string => join(folder, name);
  paths = authorityPaths({ trusted: file('ca.pem'), cert: file('cert.pem'), key: file('ca.key') });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const secrets = new SecretFiles();
const ensure = (): Promise<Authorities> => Authorities.ensure(paths, secrets);
const open = (): Authorities => Authorities.open(paths, secrets);
const roles = (authorities: Authorities): string =>
  authorities.trusted.map(({ role }) => role).join(' ');
const read = (path: string): string => readFileSync(path, 'utf8');

/** Names that the command in the guide copies from one control plane to another, and deletes there. */
function copiedNames(): readonly string[] {
  const guide = readFileSync('docs/how-to/operate.md', 'utf8');
  return /--include=\/\{([^ ]+)\} /.exec(guide)?.[1]?.split(',') ?? [];
}

describe('two control planes, where each step is taken on one and copied as the guide says', () => {
  const LEAVES = ['control-plane', 'client', 'redis', 'etcd', 'etcd-client'];
  const leaves = LEAVES.flatMap((name) => [`${name}.pem`, `${name}.key`]);
  let first: Authorities;
  let second: Authorities;
  const pki = (name: string, file: string): string => join(folder, name, 'pki', file);
  const filesOf = (name: string): AuthorityPaths => layout(join(folder, name)).authority;
  function copy({ deletes = true } = {}): void {
    for (const name of copiedNames()) {
      if (existsSync(pki('cp1', name))) copyFileSync(pki('cp1', name), pki('cp2', name));
      else if (deletes) rmSync(pki('cp2', name), { force: true });
    }
  }
  beforeEach(async () => {
    for (const name of ['cp1', 'cp2']) {
      mkdirSync(join(folder, name, 'pki'), { recursive: true });
      for (const leaf of leaves) writeFileSync(pki(name, leaf), `${leaf} of ${name}`);
    }
    first = await Authorities.ensure(filesOf('cp1'), secrets);
    copy();
    second = await Authorities.ensure(filesOf('cp2'), secrets);
  });
  function expectAlike(): void {
    second.reload();
    for (const other of [second, Authorities.open(filesOf('cp2'), secrets)]) {
      expect([other.phase, other.issuing]).toEqual([first.phase, first.issuing]);
      expect(other.trusted).toEqual(first.trusted);
    }
    expect(read(filesOf('cp2').trusted)).toBe(first.trustedPem);
    for (const leaf of leaves) expect(read(pki('cp2', leaf))).toBe(`${leaf} of cp2`);
  }

  it('agree after begin, switch and finish, and each keeps its own certificates', async () => {
    for (const step of ['begin', 'switch', 'finish'] as const) {
      await first[step]();
      copy();
      expectAlike();
    }
  });

  it('agree after a replacement that was taken back', async () => {
    for (const step of ['begin', 'abort'] as const) {
      await first[step]();
      copy();
      expectAlike();
    }
  });

  it('agree where steps were taken and not copied', async () => {
    for (const step of ['begin', 'switch', 'finish', 'begin'] as const) await first[step]();
    copy();
    expectAlike();
  });

  it('agree after a switch of which nothing was deleted', async () => {
    for (const step of ['begin', 'switch'] as const) {
      await first[step]();
      copy({ deletes: false });
      expectAlike();
    }
    expect(existsSync(filesOf('cp2').next.key)).toBe(false);
  });

  it('copies every file of an authority that hosts trust, and no other', () => {
    const { trusted, issuing, next, previous } = filesOf('cp1');
    const all = [trusted, issuing.cert, issuing.key, next.cert, next.key, previous];
    expect(new Set(copiedNames())).toEqual(new Set(all.map((path) => basename(path))));
  });
});

describe('an authority that is replaced', () => {
  it('is trusted with the next one from the beginning to the end, and signs until the switch', async () => {
    const authorities = await ensure();
    const first = authorities.issuing.certificatePem;
    await authorities.begin();
    expect([roles(authorities), authorities.phase]).toEqual(['issuing next', 'begun']);
    expect(authorities.issuing.certificatePem).toBe(first);
    expect(read(paths.trusted)).toBe(authorities.trustedPem);
    await authorities.switch();
    expect([roles(authorities), authorities.phase]).toEqual(['issuing previous', 'switched']);
    expect(authorities.issuing.certificatePem).not.toBe(first);
    expect(authorities.trustedPem).toContain(first);
    await authorities.finish();
    expect([roles(authorities), authorities.phase]).toEqual(['issuing', 'settled']);
    expect(read(paths.trusted)).toBe(authorities.issuing.certificatePem);
    expect(open().issuing).toEqual(authorities.issuing);
  });

  it('is kept where the replacement is taken back', async () => {
    const authorities = await ensure();
    const before = authorities.issuing;
    await authorities.begin();
    await authorities.abort();
    expect([open().issuing, roles(open())]).toEqual([before, 'issuing']);
    expect([paths.next.cert, paths.next.key].some((path) => existsSync(path))).toBe(false);
    expect(read(paths.trusted)).toBe(before.certificatePem);
  });

  it('tells listeners of each step, once what is trusted is in the file', async () => {
    const authorities = await ensure();
    const seen: string[] = [];
    authorities.onChange(() => Promise.resolve(void seen.push(read(paths.trusted))));
    await authorities.begin();
    const both = authorities.trustedPem;
    await authorities.abort();
    expect(seen).toEqual([both, authorities.trustedPem]);
  });

  it.each(['finish', 'abort'] as const)(
    'is as before where %s cannot write what is trusted, and the step can be taken again',
    async (step) => {
      const authorities = await ensure();
      await authorities.begin();
      if (step === 'finish') await authorities.switch();
      const before = [authorities.phase, authorities.trustedPem];
      let told = 0;
      authorities.onChange(() => Promise.resolve(void (told += 1)));
      mkdirSync(`${paths.trusted}.new`);
      await expect(authorities[step]()).rejects.toThrow();
      expect([authorities.phase, authorities.trustedPem]).toEqual(before);
      expect([open().phase, read(paths.trusted), told]).toEqual([...before, 0]);
      rmSync(`${paths.trusted}.new`, { recursive: true });
      await authorities[step]();
      expect([authorities.phase, read(paths.trusted), told]).toEqual([
        'settled',
        authorities.issuing.certificatePem,
        1,
      ]);
    },
  );

  it.each(['nothing', 'the key', 'the key and the certificate'])(
    'signs as the next one after a switch that was broken off when %s had been replaced',
    async (done) => {
      const authorities = await ensure();
      await authorities.begin();
      const next = { certificate: read(paths.next.cert), key: read(paths.next.key) };
      copyFileSync(paths.issuing.cert, paths.previous);
      if (done !== 'nothing') copyFileSync(paths.next.key, paths.issuing.key);
      if (done.includes('certificate')) copyFileSync(paths.next.cert, paths.issuing.cert);
      const after = await ensure();
      expect([after.phase, after.issuing]).toEqual([
        'switched',
        { certificatePem: next.certificate, privateKeyPem: next.key },
      ]);
      expect(existsSync(paths.next.cert)).toBe(false);
      expect(read(paths.trusted)).toBe(after.trustedPem);
    },
  );

  it('is found by a process that had read the one before', async () => {
    const [one, other] = [await ensure(), open()];
    await one.begin();
    expect([other.reload(), other.phase]).toEqual([true, 'begun']);
    expect(other.reload()).toBe(false);
  });

  it('is not replaced again by what a copy has left of the replacement before', async () => {
    const authorities = await ensure();
    await authorities.begin();
    await authorities.switch();
    const left = read(paths.previous);
    await authorities.finish();
    await authorities.begin();
    writeFileSync(paths.previous, left);
    expect(open().issuing).toEqual(authorities.issuing);
    expect(existsSync(paths.next.cert)).toBe(true);
  });

  it('is not replaced by what cannot be an authority, nor by itself', async () => {
    const authorities = await ensure();
    const good = await createAuthority({ name: 'good', days: 1 });
    expect(() => checkNext(good, authorities.trusted)).not.toThrow();
    const { privateKeyPem } = authorities.issuing;
    expect(() => checkNext({ ...good, privateKeyPem }, authorities.trusted)).toThrow(/privateKey/);
    expect(() => checkNext(authorities.issuing, authorities.trusted)).toThrow(/trusted already/);
  });

  it('is made where the very first start was broken off between its key and its certificate', async () => {
    const broken = await ensure();
    for (const path of [paths.issuing.cert, paths.trusted]) rmSync(path);
    const made = await ensure();
    expect(made.issuing.privateKeyPem).not.toBe(broken.issuing.privateKeyPem);
    expect(open().issuing).toEqual(made.issuing);
    expect(read(paths.trusted)).toBe(made.issuing.certificatePem);
  });

  it('is not made anew where half of it is gone: hosts have pinned it', async () => {
    const { issuing } = await ensure();
    rmSync(paths.issuing.cert);
    await expect(ensure()).rejects.toThrow(/keys.caCertificate/);
    writeFileSync(paths.issuing.cert, issuing.certificatePem);
    expect(fingerprint((await ensure()).issuing.certificatePem)).toBe(
      fingerprint(issuing.certificatePem),
    );
  });
});
