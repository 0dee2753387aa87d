import type { RedirectReport } from '#contracts';

/** Orders to go to another control plane. */
export abstract class Redirects {
  /** What became of the newest one, for reports. */
  abstract get report(): RedirectReport | undefined;
  /** Looks whether there is one, and follows it. Never rejects. */
  abstract attempt(): Promise<void>;
  /** Somebody says that there is this one (its digest): who has not seen it asks within a moment. */
  abstract hinted(digest: unknown): Promise<void>;
  /** Until the next attempt. */
  abstract intervalMs(): number;
  /** Called, and waited for, when `report` has changed. */
  abstract onChange(listener: () => Promise<void>): void;
  /** Called when the agent must start anew, at another control plane. */
  abstract onMoved(listener: () => void): void;
}
