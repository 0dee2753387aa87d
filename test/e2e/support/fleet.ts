import { installedSnapshot, joinFleet, Lab, stageHost, type Snapshot, type Vm } from '#testing';
import { Product, projectRoot } from './product.js';

/** The product on this machine and real hosts in VMs that joined it. */
export class Fleet {
  private constructor(
    readonly product: Product,
    readonly lab: Lab,
    private readonly installed: Snapshot,
  ) {}

  static async start(options: { localAgent?: boolean } = {}): Promise<Fleet> {
    const staged = await stageHost(projectRoot);
    const lab = await Lab.open();
    try {
      const installed = await installedSnapshot(lab, staged);
      return new Fleet(await Product.up(options), lab, installed);
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** A VM that joined under `name` with labels, e.g. `env=prod,tier=web`, and an enforcer other than `auto`. */
  async host(name: string, labels = '', enforcer?: 'apparmor' | 'bpf'): Promise<Vm> {
    const vm = await this.lab.vm({ name, from: this.installed });
    const { caFingerprint } = await this.product.record();
    const url = `https://10.0.2.2:${this.product.port}`;
    const token = await this.product.joinToken(labels);
    await joinFleet(vm, {
      ...{ url, caFingerprint, name, token },
      ...(enforcer === undefined ? {} : { enforcer }),
    });
    return vm;
  }

  async close(): Promise<void> {
    await Promise.all([this.lab.close(), this.product.down()]);
  }
}
