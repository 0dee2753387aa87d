/** Tells all hosts at once that other authorities may be trusted than before; they ask over a channel that they trust. */
export abstract class CaHints {
  /** Fingerprints of what is trusted now, so that hosts that trust these need not ask. Throws where nobody can be told. */
  abstract publish(fingerprints: readonly string[]): Promise<void>;
}
