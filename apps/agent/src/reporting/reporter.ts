import { sealReport } from '#bundle';
import { REPORT_INTERVAL_MS, type AgentRun, type NodeReport } from '#contracts';
import { HostLink } from '#redis';
import { errorMessage } from '../config/error-facts.js';
import { HostKeys } from '../delivery/host-keys.js';
import { SingleFlight } from '../health/single-flight.js';
import { Surroundings } from '../health/surroundings.js';

/**
 * Writes the host's state, sealed with the host key, at each change and at least every interval. The state is a last
 * value: a report that could not be written is not kept, the next one says more.
 */
export class Reporter {
  readonly #flight = new SingleFlight(() => this.#report());
  /** Reports written since the agent started. */
  written = 0;
  /** This run of the agent, as of the last report; undefined before the first. */
  run: AgentRun | undefined;

  /** `compose` makes the report of this moment; it is called once a report. */
  constructor(
    private readonly compose: () => NodeReport,
    private readonly link: HostLink,
    private readonly hostKeys: HostKeys,
    private readonly around: Surroundings,
  ) {}

  /** Reports now; changes during a report lead to one more. Never rejects. */
  report(): Promise<void> {
    return this.#flight.run();
  }

  /** Until the next regular one: never later than the interval that the control plane counts on. */
  intervalMs(): number {
    return Math.round(REPORT_INTERVAL_MS * (0.75 + this.around.clock.random() / 4));
  }

  async #report(): Promise<void> {
    const hostKey = this.hostKeys.current;
    const { conditions } = this.around;
    if (hostKey === undefined) {
      conditions.raise('report', 'no assignment has come yet, so there is no key to report with');
      return;
    }
    try {
      const report = this.compose();
      const sealed = sealReport(hostKey, report.nodeId, Buffer.from(JSON.stringify(report)));
      await this.link.writeState(sealed);
      this.written += 1;
      this.run = { bootedAt: report.bootedAt, sequence: report.sequence };
      conditions.clear('report');
    } catch (cause) {
      conditions.raise(
        'report',
        `the report could not be written (${errorMessage(cause)}); the host shows as unknown meanwhile`,
      );
    }
  }
}
