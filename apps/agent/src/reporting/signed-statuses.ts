import {
  auditLogHeadName,
  loadSigner,
  signStatus,
  type HostSignedStatus,
  type SignedDocument,
  type Signer,
} from '#bundle';
import { REPORT_INTERVAL_MS } from '#contracts';
import { errorMessage } from '../config/error-facts.js';
import { readIfThere } from '../trust/key-file.js';
import { jittered } from '../health/clock.js';
import { Context } from '../health/context.js';

/** How often the host signs: at a change not more often than `minSeconds`, else about every `everySeconds`. */
export interface SignedStatusPace {
  readonly minSeconds: number;
  readonly everySeconds: number;
}

/** What lies beside the report: the envelope, and the names of the heads in it. */
export interface SignedStatus {
  readonly document: SignedDocument;
  readonly heads: readonly string[];
}

interface Signed extends Said {
  readonly signedStatus: SignedStatus;
  readonly at: number;
  /** Until it is signed anew without a change. */
  readonly keepMs: number;
}

/** What a reader would call a change: not that time has passed. */
interface Said {
  readonly content: string;
  /** Heads of the audit log: every entry of the control plane's brings all hosts another one, in another array. */
  readonly auditLog: HostSignedStatus['auditLog'];
}

/**
 * Signs what the host says of itself, by its first key: now and then, since a signature costs more than all else of a
 * report, and the same object until there is a newer one.
 */
export class SignedStatuses {
  #last: Signed | undefined;

  constructor(
    private readonly signer: Signer | undefined,
    private readonly pace: SignedStatusPace,
    private readonly around: Context,
  ) {}

  /** With the key of this file; without one, or with another host's, reports go unsigned, and that is a condition. */
  static async open(
    file: string,
    nodeId: string,
    pace: SignedStatusPace,
    around: Context,
  ): Promise<SignedStatuses> {
    return new SignedStatuses(await signerOf(file, nodeId, around), pace, around);
  }

  /**
   * The signed status to send now: the last one, or this one, signed, where it is time for it. New heads of the audit log alone
   * wait until a report is due anyway, which is one every `reportEveryMs`. Never throws.
   */
  of(signedStatus: HostSignedStatus, reportEveryMs: number): SignedStatus | undefined {
    if (this.signer === undefined) return undefined;
    const said = saidIn(signedStatus);
    if (this.#isDue(signedStatus.at, said, reportEveryMs))
      this.#sign(this.signer, signedStatus, said);
    return this.#last?.signedStatus;
  }

  #isDue(at: number, { content, auditLog }: Said, reportEveryMs: number): boolean {
    const last = this.#last;
    if (last === undefined) return true;
    const ageMs = at - last.at;
    // Our clock went back behind it.
    if (ageMs < 0 || ageMs >= last.keepMs) return true;
    if (ageMs < this.pace.minSeconds * 1_000) return false;
    const isReportDue = ageMs + REPORT_INTERVAL_MS >= reportEveryMs;
    return content !== last.content || (isReportDue && auditLog !== last.auditLog);
  }

  #sign(signer: Signer, signedStatus: HostSignedStatus, said: Said): void {
    const { clock, conditions } = this.around;
    try {
      this.#last = {
        ...said,
        signedStatus: {
          document: signStatus(signedStatus, signer),
          heads: signedStatus.auditLog.map(auditLogHeadName),
        },
        at: signedStatus.at,
        keepMs: jittered(this.pace.everySeconds * 1_000, clock.random()),
      };
      conditions.clear('signed-status');
    } catch (cause) {
      conditions.raise(
        'signed-status',
        `the host's state could not be signed: ${errorMessage(cause)}`,
      );
    }
  }
}

function saidIn({
  at: _at,
  asOf: _asOf,
  sequence: _sequence,
  auditLog,
  ...content
}: HostSignedStatus): Said {
  return { content: JSON.stringify(content), auditLog };
}

async function signerOf(
  file: string,
  nodeId: string,
  { conditions }: Context,
): Promise<Signer | undefined> {
  const unsigned = (problem: string): undefined => {
    conditions.raise('signed-status', `${file}: ${problem}; this host's state goes unsigned`);
  };
  try {
    const key = await readIfThere(file);
    if (key === undefined) return unsigned('there is no key');
    const signer = loadSigner(key.trim());
    return signer.keyid === nodeId ? signer : unsigned('is the key of another host');
  } catch (cause) {
    return unsigned(errorMessage(cause));
  }
}
