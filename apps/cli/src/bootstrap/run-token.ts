import type { JoinTokenView } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';

/** What the join token of a run is bound to. */
export interface RunTokenOptions {
  readonly labels: Readonly<Record<string, string>>;
  readonly uses: number;
  readonly ttlMs: number;
}

/** The one join token of a run: made when the first host needs it, and ended with the run. */
export class RunToken {
  #made: Promise<JoinTokenView> | undefined;

  constructor(
    private readonly controlPlane: ControlPlane,
    private readonly options: RunTokenOptions,
  ) {}

  async get(): Promise<string> {
    this.#made ??= this.controlPlane.call<JoinTokenView>('/v1/join-tokens', {
      method: 'POST',
      body: this.options,
    });
    return (await this.#made).token ?? '';
  }

  /** Nobody joins by it any more. */
  async end(): Promise<void> {
    const made = await this.#made?.catch(() => undefined);
    if (made === undefined) return;
    await this.controlPlane.call(`/v1/join-tokens/${made.id}`, { method: 'DELETE' });
  }
}
