import { beforeAll, describe, expect, it } from '@jest/globals';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import type { Bom } from '../supply/bom.js';
import { lockedPackages } from '../supply/lock-file.js';
import { makeBom } from './sbom.js';

const PURL =
  /^pkg:(npm\/(%40[a-z0-9._-]+\/)?[A-Za-z0-9._-]+@[^?\s]+|deb\/[a-z0-9.]+\/[a-z0-9.+-]+@[^?\s]+\?arch=\w+)$/;

describe('the list of what this build is made of', () => {
  const locked = lockedPackages(packageRoot());
  let bom: Bom;
  beforeAll(async () => {
    bom = await makeBom(packageRoot());
  }, 120_000);

  it('is CycloneDX 1.5 of the application, with a number and a time of its own', () => {
    expect(bom).toMatchObject({
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      version: 1,
      serialNumber: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/),
      metadata: {
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        component: { type: 'application', name: 'hostward', version: expect.any(String) },
      },
    });
  });

  it('names every production dependency with its version, and no other package of npm', () => {
    const wanted = locked
      .filter(({ dev }) => !dev)
      .map(({ name, version }) => `${name}@${version}`);
    const named = bom.components
      .filter(({ purl }) => purl.startsWith('pkg:npm/'))
      .map(({ purl }) => decodeURIComponent(purl.slice('pkg:npm/'.length)));
    expect(named.sort()).toEqual([...new Set(wanted)].sort());
  });

  it('gives each component a type, a version, a purl and, of npm, a hash of what is downloaded', () => {
    for (const component of bom.components) {
      expect(component).toMatchObject({
        type: expect.stringMatching(/^(library|application)$/),
        name: expect.stringMatching(/./),
        version: expect.stringMatching(/./),
        purl: expect.stringMatching(PURL),
      });
      if (component.purl.startsWith('pkg:npm/'))
        expect(component['hashes']).toEqual([
          { alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) },
        ]);
      expect(JSON.stringify(component.properties ?? [])).not.toContain('development');
    }
  });

  it('refers only to what it lists, each thing once', () => {
    const refs = [bom.metadata.component, ...bom.components].map((each) => each['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    expect(bom.dependencies.map(({ ref }) => ref).sort()).toEqual(refs.sort());
    const known = new Set(refs);
    const unknown = bom.dependencies.flatMap(({ dependsOn = [] }) =>
      dependsOn.filter((ref) => !known.has(ref)),
    );
    expect(unknown).toEqual([]);
  });

  it('names the Debian packages that the sensor is linked with and that `up` runs', () => {
    const debian = bom.components.filter(({ purl }) => purl.startsWith('pkg:deb/'));
    const names = debian.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['libc6', 'etcd-server']));
  });
});
