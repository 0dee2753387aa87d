import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { readExceptions } from './audit-exceptions.js';
import { judge, readReport } from './audit-report.js';
import { lockedPackages } from './lock-file.js';

/** Packages that would run a program at their installation, and what they need it for. None runs: see .npmrc. */
const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  '@parcel/watcher':
    'builds itself where no binary is published; of @swc/cli, for `--watch`, not used',
  '@scarf/scarf': 'counts installations for its authors; of swagger-ui-dist, not wanted',
  '@swc/core': 'looks whether its binary, a package of its own, is there',
  'cpu-features': 'builds itself; of ssh2, which does without',
  esbuild: 'puts its binary, a package of its own, in the place of a script',
  protobufjs: 'warns about version ranges',
  ssh2: 'builds a faster cipher; does without',
};

describe('package-lock.json', () => {
  const locked = lockedPackages(packageRoot());

  it('pins no package with an install script but those that were looked at', () => {
    const found = locked.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name);
    expect([...new Set(found)].sort()).toEqual(Object.keys(INSTALL_SCRIPTS).sort());
  });

  it('is installed without running any of them', () => {
    const settings = readFileSync(join(packageRoot(), '.npmrc'), 'utf8').split('\n');
    expect(settings).toContain('ignore-scripts=true');
  });

  it('pins every package to bytes of the registry: a version and a hash', () => {
    const lock = JSON.parse(readFileSync(join(packageRoot(), 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version?: string; integrity?: string; resolved?: string }>;
    };
    const loose = Object.entries(lock.packages).filter(
      ([path, { version, integrity = '' }]) =>
        path !== '' && (version === undefined || !integrity.startsWith('sha512-')),
    );
    expect(loose.map(([path]) => path)).toEqual([]);
  });

  it('pins what package.json names to one version each, no range', () => {
    const own = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as Record<
      'dependencies' | 'devDependencies' | 'optionalDependencies',
      Record<string, string>
    >;
    const versions = [own.dependencies, own.devDependencies, own.optionalDependencies].flatMap(
      (each) => Object.values(each),
    );
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

describe('an audit', () => {
  const advisory = {
    name: 'yaml',
    severity: 'high',
    title: 'bad',
    url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
  };
  const report = JSON.stringify({
    vulnerabilities: { yaml: { via: [advisory] }, other: { via: ['yaml', advisory] } },
  });
  const exception = {
    advisory: 'GHSA-aaaa-bbbb-cccc',
    package: 'yaml',
    reason: 'not reached',
    expires: '2026-03-01',
  };
  const before = Date.parse('2026-03-01T12:00:00Z');
  const after = Date.parse('2026-03-02T00:00:00Z');

  it('reads each advisory once, whatever depends on its package', () => {
    expect(readReport(report, '')).toEqual({
      kind: 'advisories',
      advisories: [
        {
          id: 'GHSA-aaaa-bbbb-cccc',
          package: 'yaml',
          severity: 'high',
          title: 'bad',
          url: advisory.url,
        },
      ],
    });
  });

  it.each([
    ['{"message":"405 Method Not Allowed"}', '', '405 Method Not Allowed'],
    ['', 'npm error network\nmore', 'npm error network'],
    ['<html>', '', 'npm said nothing'],
  ])('is no clean bill where the registry cannot tell (%j)', (stdout, stderr, reason) => {
    expect(readReport(stdout, stderr)).toEqual({ kind: 'unavailable', reason });
  });

  it('is satisfied by an exception until its last day, and tells of one that ended or covers nothing', () => {
    const read = readReport(report, '');
    const advisories = read.kind === 'advisories' ? read.advisories : [];
    expect(judge(advisories, [exception], before)).toEqual({ open: [], idle: [] });
    expect(judge(advisories, [exception], after)).toEqual({ open: advisories, idle: [exception] });
    expect(judge([], [exception], before)).toEqual({ open: [], idle: [exception] });
    expect(judge(advisories, [{ ...exception, package: 'x' }], before).open).toEqual(advisories);
  });

  describe('has exceptions that', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hostward-audit-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const read = (...list: readonly unknown[]) => {
      const file = join(folder, 'exceptions.json');
      writeFileSync(file, JSON.stringify(list));
      return readExceptions(file, before);
    };

    it('say which advisory, of what, why, and until when', () => {
      expect(read(exception)).toEqual([exception]);
      expect(
        readExceptions(join(packageRoot(), 'tools/audit-exceptions.json'), Date.now()),
      ).toEqual(expect.any(Array));
    });

    it.each([
      [{ ...exception, reason: ' ' }, 'entry 0: "reason" must say something'],
      [{ ...exception, expires: 'never' }, 'must be a day'],
      [{ ...exception, expires: '2027-03-01' }, 'more than 180 days away'],
      [null, '"advisory" must say something'],
    ])('are refused otherwise (%j)', (entry, message) => {
      expect(() => read(entry)).toThrow(message);
    });
  });
});
