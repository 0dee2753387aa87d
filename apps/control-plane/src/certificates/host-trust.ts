import { Injectable } from '@nestjs/common';

/**
 * Which authorities hosts have said that they trust, since this control plane was started: they say it anew within
 * minutes, so nothing of it is kept. Only what a host proved by its certificate comes here.
 */
@Injectable()
export class HostTrust {
  readonly #byHost = new Map<string, ReadonlySet<string>>();

  /** `fingerprints` of all that the host trusts. */
  take(nodeId: string, fingerprints: readonly string[]): void {
    this.#byHost.set(nodeId, new Set(fingerprints));
  }

  /** Whether the host trusts exactly these. */
  trusts(nodeId: string, fingerprints: ReadonlySet<string>): boolean {
    const said = this.#byHost.get(nodeId);
    return said?.size === fingerprints.size && said.isSubsetOf(fingerprints);
  }

  /** Forgets all but these hosts. */
  keepOnly(nodeIds: ReadonlySet<string>): void {
    for (const nodeId of this.#byHost.keys()) if (!nodeIds.has(nodeId)) this.#byHost.delete(nodeId);
  }
}
