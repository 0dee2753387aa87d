import { Injectable } from '@nestjs/common';
import { RefusedError, openSignedStatus, parseSignedDocument, type SignedDocument } from '#bundle';
import { Log } from '#observability';
import { Metrics } from '../health/metrics.js';
import { ShapeError, parseJson } from '../http/shape.js';
import { SignedStatusSource } from '../store/held-heads.js';
import { HostInbox } from './host-inbox.js';
import { KnownHosts, type KnownHost } from './known-hosts.js';
import { ReportCache } from './report-cache.js';

/**
 * What hosts have signed of themselves, read from Redis as somebody asks: few do, and each is longer than all else of a
 * host. That it is an envelope sealed by that host is checked, and not its signature, which is not for us.
 */
@Injectable()
export class HostSignedStatuses extends SignedStatusSource {
  constructor(
    private readonly hosts: KnownHosts,
    private readonly inbox: HostInbox,
    private readonly cache: ReportCache,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {
    super();
  }

  /** By node id; of a host that has none, or none that can be read, none. Rejects where Redis is away. */
  override async of(nodeIds: readonly string[]): Promise<ReadonlyMap<string, SignedDocument>> {
    const riding = nodeIds.flatMap((nodeId) => {
      const signedStatus = this.cache.get(nodeId)?.report.signedStatus;
      return signedStatus === undefined ? [] : [[nodeId, signedStatus as SignedDocument] as const];
    });
    const found = new Map(riding);
    const others = nodeIds.filter((nodeId) => !found.has(nodeId));
    for (const [nodeId, sealed] of await this.inbox.signedStatuses(others)) {
      const host = this.hosts.find(nodeId);
      const signedStatus = host && this.#opened(host, sealed);
      if (signedStatus) found.set(nodeId, signedStatus);
    }
    return found;
  }

  #opened({ node, nodeId, channelKey }: KnownHost, sealed: Uint8Array): SignedDocument | undefined {
    try {
      const bytes = openSignedStatus(channelKey, nodeId, sealed);
      return parseSignedDocument(parseJson(bytes, 'signed status'), 'signed status');
    } catch (error) {
      if (!(error instanceof RefusedError || error instanceof ShapeError)) throw error;
      const reason = error instanceof RefusedError ? error.code : 'shape';
      this.metrics.signedStatusesRefused.inc({ reason });
      this.log.warn('a signed status was refused', { node, error });
      return undefined;
    }
  }
}
