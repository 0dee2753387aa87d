import { sealReport, sealSignedStatus, type SignedDocument } from '#bundle';
import { REPORT_INTERVAL_MS, type AgentRun, type NodeReport } from '#contracts';
import { HostLink } from '#redis';
import { errorMessage } from '../config/error-facts.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';

/** In a fleet whose pace is as long or longer a report without news does not ring; a control plane sweeps as often. */
const QUIET_FROM_MS = 30_000;

/** A report of this moment, and what the host has signed of itself last, where it can. */
export interface Composed {
  readonly report: NodeReport;
  readonly signedStatus?: SignedDocument;
}

/** A signed status that lies in Redis, and the key under which it does. */
interface Said {
  readonly signedStatus: SignedDocument;
  readonly channelKey: Buffer;
}

/** What Redis has taken last. */
interface Written {
  readonly channelKey: Buffer;
  readonly content: string;
  readonly at: number;
  /** When the control plane was told to expect the next one at the latest. */
  readonly nextWithinMs: number;
}

/**
 * Writes the host's state, sealed with the channel key, at each change, and where nothing changes as often as the last
 * report said, quietly in a fleet that has a pace. The state is a last value: a report that could not be written is not
 * kept, the next one says more. The signed status goes up with it where Redis has not got it.
 */
export class Reporter {
  readonly #flight = new SingleFlight(() => this.#report());
  #asked = false;
  #sequence = 0;
  #last: Written | undefined;
  #said: Said | undefined;
  /** Reports written since the agent started. */
  written = 0;
  /** This run of the agent, as of the last report; undefined before the first. */
  run: AgentRun | undefined;

  /** `compose` makes the report of this moment under a sequence number; it is called at each look. */
  constructor(
    private readonly compose: (sequence: number) => Composed,
    private readonly link: HostLink,
    private readonly channelKeys: ChannelKeys,
    private readonly around: Context,
  ) {}

  /** Reports now; changes during a report lead to one more. Never rejects. */
  report(): Promise<void> {
    this.#asked = true;
    return this.#flight.run();
  }

  /** Redis was away: it may be empty, or one that had not got all of it yet. Reports anew, the signed status too. Never rejects. */
  reconnected(): Promise<void> {
    this.#said = undefined;
    return this.report();
  }

  /** Reports if there is anything new to say, or it is time to say the same again. Never rejects. */
  look(): Promise<void> {
    return this.#flight.run();
  }

  /** Until the next look: never later than the shortest interval that the control plane counts on. */
  intervalMs(): number {
    return Math.round(REPORT_INTERVAL_MS * (0.75 + this.around.clock.random() / 4));
  }

  async #report(): Promise<void> {
    const asked = this.#asked;
    this.#asked = false;
    const channelKey = this.channelKeys.current;
    const { conditions } = this.around;
    if (channelKey === undefined) {
      conditions.raise('report', 'no assignment has come yet, so there is no key to report with');
      return;
    }
    try {
      const composed = this.compose(this.#sequence + 1);
      const unsaid = this.#unsaid(channelKey, composed);
      const isNews = asked || this.#isNews(channelKey, composed.report);
      if (!isNews && unsaid === undefined && !this.#isDue(composed.report)) return;
      const isQuiet = !isNews && this.#mayWait(composed.report);
      await this.#write(channelKey, composed.report, { unsaid, isQuiet });
      conditions.clear('report');
    } catch (cause) {
      conditions.raise(
        'report',
        `the report could not be written (${errorMessage(cause)}); the host shows as unknown meanwhile`,
      );
    }
  }

  /** The signed status, if it does not lie there under this key. */
  #unsaid(channelKey: Buffer, { signedStatus }: Composed): SignedDocument | undefined {
    const said = this.#said;
    return said?.signedStatus === signedStatus && said?.channelKey.equals(channelKey)
      ? undefined
      : signedStatus;
  }

  async #write(
    channelKey: Buffer,
    report: NodeReport,
    {
      unsaid: signedStatus,
      isQuiet,
    }: { readonly unsaid?: SignedDocument; readonly isQuiet: boolean },
  ): Promise<void> {
    const written = {
      channelKey,
      content: contentOf(report),
      at: this.around.clock.now(),
      nextWithinMs: intervalOf(report),
    };
    // Whatever becomes of this one, the next look is not to take the one before for what Redis has.
    this.#last = undefined;
    this.#sequence = report.sequence;
    const isStated = await this.link.writeState(
      sealReport(channelKey, report.nodeId, jsonOf(report)),
      {
        signedStatus:
          signedStatus && sealSignedStatus(channelKey, report.nodeId, jsonOf(signedStatus)),
        isQuiet,
      },
    );
    if (signedStatus !== undefined) this.#said = { signedStatus, channelKey };
    else if (!isStated) this.#said = undefined;
    this.#last = written;
    this.written += 1;
    this.run = { bootedAt: report.bootedAt, sequence: report.sequence };
  }

  /** Whether it says anything that the last one did not, or to a reader who could not open that one. */
  #isNews(channelKey: Buffer, report: NodeReport): boolean {
    const last = this.#last;
    return !last?.channelKey.equals(channelKey) || contentOf(report) !== last.content;
  }

  /** Whether what Redis has is good for far longer than a control plane takes to find one that did not ring. */
  #mayWait(report: NodeReport): boolean {
    const nextWithinMs = Math.min(this.#last?.nextWithinMs ?? 0, intervalOf(report));
    return nextWithinMs >= QUIET_FROM_MS;
  }

  /** The next look is up to REPORT_INTERVAL_MS away, and must not come later than the last report said. */
  #isDue(report: NodeReport): boolean {
    const last = this.#last;
    if (last === undefined) return true;
    const agoMs = this.around.clock.now() - last.at;
    const withinMs = Math.min(last.nextWithinMs, intervalOf(report));
    return agoMs < 0 || agoMs + REPORT_INTERVAL_MS > withinMs;
  }
}

function jsonOf(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function intervalOf({ nextWithinMs }: NodeReport): number {
  return nextWithinMs ?? REPORT_INTERVAL_MS;
}

/** What a reader would call news: not that time has passed, nor how many processes come and go. */
function contentOf({
  sequence: _sequence,
  asOf: _asOf,
  nextWithinMs: _nextWithinMs,
  coverage: _coverage,
  ...content
}: NodeReport): string {
  return JSON.stringify(content);
}
