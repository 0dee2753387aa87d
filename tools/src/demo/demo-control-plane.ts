import { PrivateControlPlane } from '../../../apps/cli/src/embedded/private-control-plane.js';
import { tone } from '../../../apps/cli/src/output/style.js';

/** Where a guest finds this machine's loopback. */
const HOST_SEEN_FROM_GUEST = '10.0.2.2';

/** The control plane of the demo, which shows the commands that it is used by. */
export class DemoControlPlane extends PrivateControlPlane {
  /** How a guest reaches it. */
  async address(): Promise<{ url: string; caFingerprint: string }> {
    const { caFingerprint } = await this.record();
    return { url: `https://${HOST_SEEN_FROM_GUEST}:${this.port}`, caFingerprint };
  }

  /** As `run`, shown as a person would see it. */
  async show(...args: string[]): Promise<void> {
    console.log(tone(`$ hostward ${args.join(' ')}`, 'bold'));
    console.log((await this.run(...args)).trimEnd());
  }
}
