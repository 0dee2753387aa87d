import type { Check } from '#contracts';

/** Tells all hosts at once that there may be news; they ask over a channel that they trust. */
export abstract class HostHints {
  /** Names what is new, so that hosts that have it need not ask. Throws where nobody can be told. */
  abstract publish(hint: Check): Promise<void>;
}
