import {
  loadSigner,
  signStatement,
  type HostStatement,
  type SignedDocument,
  type Signer,
} from '#bundle';
import { errorMessage } from '../config/error-facts.js';
import { readIfThere } from '../enrollment/key-file.js';
import { jittered } from '../health/clock.js';
import { Surroundings } from '../health/surroundings.js';

/** How often the host signs: at a change not more often than `minSeconds`, else about every `everySeconds`. */
export interface StatementPace {
  readonly minSeconds: number;
  readonly everySeconds: number;
}

interface Signed {
  readonly document: SignedDocument;
  readonly content: string;
  readonly at: number;
  /** Until it is signed anew without a change. */
  readonly keepMs: number;
}

/**
 * Signs what the host says of itself, by its first key. The same statement rides in each report until there is a newer
 * one: a report is a last value, and no reader may have seen the one before.
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

  /** The statement to send now: the last one, or this one, signed, where it is time for it. Never throws. */
  of(statement: HostStatement): SignedDocument | undefined {
    if (this.signer !== undefined && this.#isDue(statement)) this.#sign(this.signer, statement);
    return this.#last?.document;
  }

  #isDue(statement: HostStatement): boolean {
    const last = this.#last;
    if (last === undefined) return true;
    const ageMs = statement.at - last.at;
    // Our clock went back behind it.
    if (ageMs < 0 || ageMs >= last.keepMs) return true;
    return ageMs >= this.pace.minSeconds * 1_000 && contentOf(statement) !== last.content;
  }

  #sign(signer: Signer, statement: HostStatement): void {
    const { clock, conditions } = this.around;
    try {
      this.#last = {
        document: signStatement(statement, signer),
        content: contentOf(statement),
        at: statement.at,
        keepMs: jittered(this.pace.everySeconds * 1_000, clock.random()),
      };
      conditions.clear('statement');
    } catch (cause) {
      conditions.raise('statement', `the host's state could not be signed: ${errorMessage(cause)}`);
    }
  }
}

/** What a reader would call a change: not that time has passed. */
function contentOf({
  at: _at,
  asOf: _asOf,
  sequence: _sequence,
  ...content
}: HostStatement): string {
  return JSON.stringify(content);
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
