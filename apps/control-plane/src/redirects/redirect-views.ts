import { Injectable } from '@nestjs/common';
import { type RedirectTarget, isRedirected } from '#bundle';
import type { RedirectView, RedirectedHosts } from '#contracts';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import type { FleetState } from '../store/fleet-state.js';
import { StatusReader } from '../reports/status-reader.js';
import { redirectState, type KeptRedirect } from './redirect-order.js';

const MAX_NAMES = 100;

/** Redirects as REST shows them, and what hosts said of them. */
@Injectable()
export class RedirectViews {
  constructor(
    private readonly fleet: Fleet,
    private readonly status: StatusReader,
    private readonly clock: Clock,
  ) {}

  /** One among all that are kept. */
  of(kept: readonly KeptRedirect[], each: KeptRedirect): RedirectView {
    const { id, record, verified } = each;
    const { by, at } = record;
    const state = redirectState(kept, each, this.clock.nowMs());
    if (!verified) return { id, state, by, at };
    const { document } = verified;
    const { to, reason } = document;
    const target = this.#targetOf(document.target);
    const common = { id, state, target, reason, by, at };
    if (to === undefined) return common;
    const [notBefore, expiresAt] = [document.notBefore, document.expiresAt].map(iso);
    return { ...common, to, notBefore, expiresAt };
  }

  /** What the hosts that `state` shows said of it last. */
  hostsOf({ id, verified }: KeptRedirect, state: FleetState): RedirectedHosts {
    const failed: { node: string; code: string; message: string }[] = [];
    const waitingNames: string[] = [];
    let redirected = 0;
    for (const { name, record } of state.nodes.sorted()) {
      const nodeId = state.believed(record)?.nodeId;
      if (nodeId === undefined || !verified || !isRedirected(verified.document.target, nodeId))
        continue;
      const said = this.status.evidence(state, name).report?.redirect;
      if (String(said?.issuedAt) !== id) waitingNames.push(name);
      else if (said?.state !== 'redirect-failed') redirected += 1;
      else failed.push({ node: name, code: said.code ?? '', message: said.message ?? '' });
    }
    return {
      redirected,
      waiting: waitingNames.length,
      waitingNames: waitingNames.slice(0, MAX_NAMES),
      failed: failed.slice(0, MAX_NAMES),
    };
  }

  #targetOf({ all, nodeIds = [] }: RedirectTarget): RedirectView['target'] {
    if (all) return { all };
    const state = this.fleet.read();
    // One that is out of the caller's sight, or gone, is told by its id.
    return { nodes: nodeIds.map((nodeId) => state.nameOf(nodeId) ?? nodeId) };
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
