import {
  type DebianRelease,
  installedSnapshot,
  joinFleet,
  Lab,
  stageHost,
  type Snapshot,
  type Vm,
} from '#testing';
import { Product, projectRoot } from './product.js';

/** The product on this machine and real hosts in VMs that joined it. */
export class Fleet {
  private constructor(
    readonly product: Product,
    readonly lab: Lab,
    private readonly installed: Snapshot,
  ) {}

  /** Control plane and snapshot are made at the same time; where one fails the other is taken down. */
  static async start(
    options: { localAgent?: boolean; release?: DebianRelease } = {},
  ): Promise<Fleet> {
    const lab = await Lab.open(options.release === undefined ? {} : { release: options.release });
    const [product, installed] = await Promise.allSettled([
      Product.up(options),
      stageHost(projectRoot).then((staged) => installedSnapshot(lab, staged)),
    ]);
    if (product.status === 'fulfilled' && installed.status === 'fulfilled')
      return new Fleet(product.value, lab, installed.value);
    await lab.close();
    if (product.status === 'fulfilled') await product.value.down();
    const [cause] = [installed, product].flatMap(reasonOf);
    throw new Error('the fleet did not start', { cause });
  }

  /** A VM that joined under `name` with labels, e.g. `env=prod,tier=web`, and an enforcer; with USB it boots first. */
  async host(
    name: string,
    labels = '',
    enforcer: 'apparmor' | 'bpf' | 'auto' = 'apparmor',
    { usb = false } = {},
  ): Promise<Vm> {
    const vm = await this.lab.vm({ name, from: this.installed, usb });
    const { caFingerprint } = await this.product.record();
    const url = `https://10.0.2.2:${this.product.port}`;
    const token = await this.product.joinToken(labels);
    await joinFleet(vm, { url, caFingerprint, name, token, enforcer });
    return vm;
  }

  async close(): Promise<void> {
    await Promise.all([this.lab.close(), this.product.down()]);
  }
}

function reasonOf(settled: PromiseSettledResult<unknown>): unknown[] {
  return settled.status === 'rejected' ? [settled.reason] : [];
}
