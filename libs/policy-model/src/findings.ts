import type { Finding } from './finding.js';

/** More than this of one severity from one document is a flood that helps nobody. */
const LIMIT = 200;

/** Thrown to end the validation of a document that has nothing but errors; caught where validation starts. */
export class TooManyErrors extends Error {
  override readonly name = 'TooManyErrors';
}

/** Collects what validators report about one document, in bounded space and time. */
export class Findings {
  readonly #kept: Finding[] = [];
  readonly #counts = { error: 0, warning: 0 };

  readonly report = (finding: Finding): void => {
    const count = (this.#counts[finding.severity] += 1);
    if (count <= LIMIT) this.#kept.push(finding);
    else if (finding.severity === 'error') throw new TooManyErrors();
  };

  get hasErrors(): boolean {
    return this.#counts.error > 0;
  }

  /** What was reported, in order; the last one says what was left out. */
  list(): readonly Finding[] {
    const { error, warning } = this.#counts;
    if (error <= LIMIT && warning <= LIMIT) return this.#kept;
    const message =
      error > LIMIT
        ? `there are more than ${LIMIT} errors; the rest was not looked at`
        : `${warning - LIMIT} more warnings are not listed`;
    return [
      ...this.#kept,
      {
        severity: error > LIMIT ? 'error' : 'warning',
        path: [],
        rule: 'text-too-large',
        message,
        remedy: 'correct those above first',
      },
    ];
  }
}
