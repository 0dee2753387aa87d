import { join } from 'node:path';
import type { Vm } from '#testing';
import { buildNative } from '../../../libs/sensor/src/fixtures/native-build.js';
import type { Product } from './product.js';

/** What libs/sensor/native/tests/swap-storm.c prints; `wrong`: opens judged otherwise than by a whole rule set; `maps` and `kernelKib` after a tenth of the swaps and at the end. */
export interface StormFigures {
  readonly swaps: number;
  readonly ms: number;
  readonly programs: number;
  /** Programs that could not start or did not end well, though no rule hinders that. */
  readonly broken: number;
  readonly opens: number;
  readonly wrong: number;
  readonly maps: readonly [number, number];
  readonly kernelKib: readonly [number, number];
}

const FOLDER = '/srv/storm';
const SNAPSHOT = '/var/lib/hostward/sensor/snapshot';

/** p may not open x, q may not open y; others before them move every number of a subject and a rule. */
const policy = (others: readonly string[]): string => {
  const rules = [
    ...others.flatMap((name) => [
      { path: `${FOLDER}/x`, fromSource: [{ path: `${FOLDER}/${name}` }] },
      { path: `${FOLDER}/${name}-alone`, fromSource: [{ path: `${FOLDER}/${name}` }] },
    ]),
    { path: `${FOLDER}/x`, fromSource: [{ path: `${FOLDER}/p` }] },
    { path: `${FOLDER}/y`, fromSource: [{ path: `${FOLDER}/q` }] },
  ];
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: storm}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  file: {matchPaths: ${JSON.stringify(rules)}}
  action: Block
`;
};

/**
 * Swaps two rule sets that the host's own compiler made, while programs are started, files are opened, and a name changes
 * all the time. What the sensor had
 * loaded is unloaded meanwhile, and is there again after it.
 */
export async function swapStorm(product: Product, vm: Vm, swaps: number): Promise<StormFigures> {
  await vm.copyIn(join(await buildNative('storm'), 'swap-storm'), `${FOLDER}/p`);
  await vm.ssh(
    `cd ${FOLDER} && cp p q && chmod 755 . p q && echo x > x && echo y > y && chmod 644 x y`,
  );
  for (const [name, others] of [
    ['one', []],
    ['two', ['a', 'b', 'c']],
  ] as const) {
    await product.apply(policy(others), '--wait', '--timeout', '300s');
    await vm.ssh(`cp ${SNAPSHOT} ${FOLDER}/${name}`);
  }
  await vm.ssh('hostward-sensor unload');
  try {
    const timeoutMs = 240_000 + swaps * 2_000;
    const { stdout, stderr } = await vm.ssh(`${FOLDER}/p ${FOLDER} ${swaps}`, { timeoutMs });
    process.stdout.write(stderr);
    return JSON.parse(stdout) as StormFigures;
  } finally {
    await product.must(['delete', 'policy', 'storm']);
    await vm.ssh('hostward-sensor resume', { timeoutMs: 360_000 });
  }
}
