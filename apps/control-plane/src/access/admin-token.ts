import { tokenMatches } from '../auth/token-hash.js';

/** The break-in account's token: its hash, as started with, since the token itself is nowhere. */
export class AdminToken {
  #isEnded = false;

  /** `file` is where the hash lies. */
  constructor(
    readonly hash: string,
    readonly file: string,
  ) {}

  /** Whether this is it, and it still counts. */
  matches(token: string): boolean {
    return !this.#isEnded && tokenMatches(token, this.hash);
  }

  /** Whether another one has taken its place on some control plane. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** It counts no more, for as long as this process runs. */
  end(): void {
    this.#isEnded = true;
  }
}
