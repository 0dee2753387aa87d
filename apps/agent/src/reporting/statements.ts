import {
  journalHeadName,
  loadSigner,
  signStatement,
  type HostStatement,
  type SignedDocument,
  type Signer,
} from '#bundle';
import { REPORT_INTERVAL_MS } from '#contracts';
import { errorMessage } from '../config/error-facts.js';
import { readIfThere } from '../enrollment/key-file.js';
import { jittered } from '../health/clock.js';
import { Surroundings } from '../health/surroundings.js';

/** How often the host signs: at a change not more often than `minSeconds`, else about every `everySeconds`. */
export interface StatementPace {
  readonly minSeconds: number;
  readonly everySeconds: number;
}

/** What lies beside the report: the envelope, and the names of the heads in it. */
export interface Statement {
  readonly document: SignedDocument;
  readonly heads: readonly string[];
}

interface Signed extends Said {
  readonly statement: Statement;
  readonly at: number;
  /** Until it is signed anew without a change. */
  readonly keepMs: number;
}

/** What a reader would call a change: not that time has passed. */
interface Said {
  readonly content: string;
  /** Heads of the journal: every entry of the control plane's brings all hosts another one, in another array. */
  readonly journal: HostStatement['journal'];
}

/**
 * Signs what the host says of itself, by its first key: now and then, since a signature costs more than all else of a
 * report, and the same object until there is a newer one.
 */
export class Statements {
  #last: Signed | undefined;

  constructor(
    private readonly signer: Signer | undefined,
    private readonly pace: StatementPace,
    private readonly around: Surroundings,
  ) {}

  /** With the key of this file; without one, or with another host's, reports go unsigned, and that is a condition. */
  static async open(
    file: string,
    nodeId: string,
    pace: StatementPace,
    around: Surroundings,
  ): Promise<Statements> {
    return new Statements(await signerOf(file, nodeId, around), pace, around);
  }

  /**
   * The statement to send now: the last one, or this one, signed, where it is time for it. New heads of the journal alone
   * wait until a report is due anyway, which is one every `reportEveryMs`. Never throws.
   */
  of(statement: HostStatement, reportEveryMs: number): Statement | undefined {
    if (this.signer === undefined) return undefined;
    const said = saidIn(statement);
    if (this.#isDue(statement.at, said, reportEveryMs)) this.#sign(this.signer, statement, said);
    return this.#last?.statement;
  }

  #isDue(at: number, { content, journal }: Said, reportEveryMs: number): boolean {
    const last = this.#last;
    if (last === undefined) return true;
    const ageMs = at - last.at;
    // Our clock went back behind it.
    if (ageMs < 0 || ageMs >= last.keepMs) return true;
    if (ageMs < this.pace.minSeconds * 1_000) return false;
    const isReportDue = ageMs + REPORT_INTERVAL_MS >= reportEveryMs;
    return content !== last.content || (isReportDue && journal !== last.journal);
  }

  #sign(signer: Signer, statement: HostStatement, said: Said): void {
    const { clock, conditions } = this.around;
    try {
      this.#last = {
        ...said,
        statement: {
          document: signStatement(statement, signer),
          heads: statement.journal.map(journalHeadName),
        },
        at: statement.at,
        keepMs: jittered(this.pace.everySeconds * 1_000, clock.random()),
      };
      conditions.clear('statement');
    } catch (cause) {
      conditions.raise('statement', `the host's state could not be signed: ${errorMessage(cause)}`);
    }
  }
}

function saidIn({
  at: _at,
  asOf: _asOf,
  sequence: _sequence,
  journal,
  ...content
}: HostStatement): Said {
  return { content: JSON.stringify(content), journal };
}

async function signerOf(
  file: string,
  nodeId: string,
  { conditions }: Surroundings,
): Promise<Signer | undefined> {
  const unsigned = (problem: string): undefined => {
    conditions.raise('statement', `${file}: ${problem}; this host's state goes unsigned`);
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
