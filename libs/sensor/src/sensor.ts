import type { AssignmentVersion } from '#contracts';
import type { SensorEvent, SensorState } from './state.js';

/** The sensor refused; nothing in the kernel changed. `code` is kebab-case, the compiler's own codes among them. */
export class SensorRefusedError extends Error {
  override readonly name = 'SensorRefusedError';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The sensor cannot be reached, closed the connection or did not answer in time: try again later. */
export class SensorUnavailableError extends Error {
  override readonly name = 'SensorUnavailableError';
}

/** The part of the host that enforces, as the agent sees it. An abstract class, so that it is a Nest token too. */
export abstract class Sensor {
  /** Version and state; also finds out whether both sides speak one protocol. */
  abstract hello(): Promise<{ readonly version: string; readonly state: SensorState }>;

  /**
   * Hands over what the control plane wrote, unread. Resolves when the rule set was swapped, read back and probed, and
   * also (unchanged) when it is the one in force; `outcome.ok` says whether all of it holds.
   * @throws SensorRefusedError when it was not accepted (`fell-back`: its rule set, but what it orders of a suspension is
   * in force), SensorUnavailableError
   */
  abstract apply(envelope: Uint8Array): Promise<SensorState>;

  abstract status(): Promise<SensorState>;

  /** Reads back, probes and counts coverage now. */
  abstract recheck(): Promise<SensorState>;

  /**
   * The control plane was reached after the swap to this assignment version.
   * @throws SensorRefusedError `not-in-force`, or `restart-needed` when only a process started since can show it
   */
  abstract confirm(assignmentVersion: AssignmentVersion): Promise<void>;

  /**
   * Events after this sequence number (0: from now on). Ends by SensorUnavailableError; go on with the last one seen.
   * What was dropped meanwhile comes as an event of type `lost`.
   */
  abstract events(after: number, signal?: AbortSignal): AsyncIterable<SensorEvent>;

  abstract close(): Promise<void>;
}
