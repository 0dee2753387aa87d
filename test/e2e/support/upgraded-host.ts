import { expect } from '@jest/globals';
import type { RolledBack } from '#contracts';
import type { Vm } from '#testing';
import { eventually } from './eventually.js';
import { withJournal } from './guest.js';
import type { Product } from './product.js';

const MINUTES = 60_000;
/** All that the watch over an upgrade has on a host. */
const WATCH =
  'ls -d /var/lib/hostward/upgrade/pending /usr/lib/hostward-previous /etc/systemd/system/hostward-upgrade.* /run/hostward-upgrade 2>/dev/null';

/** A host in a VM while its version is replaced. */
export class UpgradedHost {
  constructor(
    private readonly vm: Vm,
    private readonly product: Product,
  ) {}

  /** Waits until the host tells that it went back from a version, and why. */
  async takenBack(from: string, reason: RegExp): Promise<RolledBack> {
    const rolledBack = await eventually('the host tells it', 5 * MINUTES, async () => {
      const status = await this.product.nodeStatus(this.vm.name);
      return status.rolledBack?.from === from && status.rolledBack;
    }).catch((error: Error) => this.#withAuditLog(error));
    expect(rolledBack.reason).toMatch(reason);
    return rolledBack;
  }

  /** Waits until an upgrade is judged, and nothing of that is left. */
  async unwatched(): Promise<void> {
    await eventually('the upgrade is judged', 5 * MINUTES, async () => {
      const { stdout } = await this.vm.ssh(WATCH, { allowFailure: true });
      return stdout === '';
    }).catch((error: Error) => this.#withAuditLog(error));
  }

  /** Waits until the host tells of no roll-back any more. */
  async untold(): Promise<void> {
    await eventually('nothing is told any more', 2 * MINUTES, async () => {
      const { connected, rolledBack } = await this.product.nodeStatus(this.vm.name);
      return connected && rolledBack === undefined;
    });
  }

  /** Has dpkg install a package until a condition of bash is met, where it stands still for good. */
  async stopDpkg(deb: string, condition: string): Promise<void> {
    await this.vm.ssh(
      `systemd-run --quiet --unit=stopped-dpkg dpkg -i ${deb}; pid=$(systemctl show -P MainPID stopped-dpkg)
       until ${condition}; do kill -0 $pid; done; kill -STOP $pid; systemctl kill -s STOP stopped-dpkg`,
      { timeoutMs: 5 * MINUTES },
    );
  }

  /** How far dpkg says it has come with the package, and with which version of it. */
  async packaged(): Promise<string[]> {
    const { stdout } = await this.vm.ssh(
      "dpkg-query -W -f='${db:Status-Status} ${Version}' hostward-agent",
    );
    return stdout.split(' ');
  }

  /** Times of the package's files, but for what dpkg left beside them; those of one version have one. */
  async times(): Promise<string[]> {
    const { stdout } = await this.vm.ssh(
      `find /usr/lib/hostward /usr/bin/hostward-agent /usr/lib/systemd/system/hostward-* -type f ! -name '*.dpkg-*' -printf '%Ts\\n' | sort -u`,
    );
    return stdout.split('\n').filter(Boolean);
  }

  #withAuditLog(error: unknown): Promise<never> {
    const timers = 'systemctl list-timers --no-pager --all hostward-upgrade.timer';
    return withJournal(this.vm, error, `${WATCH}; ${timers}; systemctl list-jobs --no-pager`);
  }
}
