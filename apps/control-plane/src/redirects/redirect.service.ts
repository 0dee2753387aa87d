import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type RedirectDocument, type VerifiedRedirect, verifyRedirect } from '#bundle';
import type { FleetProofAnswer, FleetProofRequest, RedirectOffer, RedirectView } from '#contracts';
import { etcdKeys } from '#etcd';
import { actor } from '../auth/caller.js';
import { isoNow } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import { ProblemError, notFound, conflict } from '../http/index.js';
import { refusalOf } from '../trust/authored-index.js';
import { HostSide } from './host-side.js';
import { isInForce, keptRedirects, redirectFor, type KeptRedirect } from './redirect-order.js';
import type { RedirectRecord } from '../records/redirect.record.js';
import { RedirectViews } from './redirect-views.js';

const HINT_EVERY_MS = 30_000;
/** No order of such weight lies about for longer. */
const MAX_LIFE_MS = 90 * 86_400_000;
const CLOCK_TOLERANCE_MS = 5 * 60_000;
const MAX_KEPT = 64;

/** Orders of the root keys to go to another control plane, and the answer to hosts that come from one. */
@Injectable()
export class RedirectService implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly editor: FleetEditor,
    private readonly fleet: Fleet,
    private readonly trust: Trust,
    private readonly views: RedirectViews,
    private readonly hosts: HostSide,
  ) {}

  /** Hosts that were away when it was ordered hear of it as soon as they are back. */
  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.#hint(), HINT_EVERY_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  /** All, newest first. */
  list(): readonly RedirectView[] {
    const kept = this.#kept(this.fleet.read());
    return kept.map((each) => this.views.of(kept, each));
  }

  /** One, with what became of it on each host. Throws 404. */
  show(id: string): RedirectView {
    const kept = this.#kept(this.fleet.read());
    const found = kept.find((each) => each.id === id);
    if (!found) throw notFound('redirect', id);
    const { envelope } = found.record;
    const hosts = this.views.hostsOf(found, this.fleet.read());
    return { ...this.views.of(kept, found), envelope, hosts };
  }

  /** Takes what the root keys signed. Throws 422 for what hosts would refuse, 409 for what is not the newest. */
  async publish(signed: unknown): Promise<RedirectView> {
    const { document } = this.#verified(signed);
    const id = String(document.issuedAt);
    const by = actor();
    const record: RedirectRecord = { v: 1, envelope: signed, by, at: isoNow(this.hosts.clock) };
    await this.editor.edit((state) => {
      const kept = this.#kept(state);
      this.#check(document, kept, state);
      const key = etcdKeys.redirect(id);
      const { target, reason, to } = document;
      const past = this.#past(kept).map(({ id: old }) => etcdKeys.redirect(old));
      return {
        if: [{ key, modRevision: 0n }],
        then: [
          { type: 'put', key, value: JSON.stringify(record) },
          ...past.map((each) => ({ type: 'delete', key: each }) as const),
        ],
        auditLog: {
          by,
          action: to ? 'redirect.ordered' : 'redirect.ended',
          target: id,
          detail: { to, hosts: target.all ? 'all' : target.nodeIds, reason },
        },
      };
    });
    this.#hint();
    return this.show(id);
  }

  /** What a host is to be told. */
  offerTo(nodeId: string): RedirectOffer {
    const found = redirectFor(this.#kept(this.fleet.whole()), nodeId, this.hosts.clock.nowMs());
    const roots = this.#roots();
    return found ? { redirect: found.record.envelope, roots } : { roots };
  }

  /** Proves to a host that this is a control plane of its fleet. Throws 404 for one that is not known here, 503 before etcd was read. */
  prove(asked: FleetProofRequest): FleetProofAnswer {
    return { proof: this.hosts.prove(asked, this.fleet.whole()), roots: this.#roots() };
  }

  #roots(): readonly unknown[] {
    return [...this.trust.earlierRoots, this.trust.root.signed];
  }

  #kept(state: FleetState): readonly KeptRedirect[] {
    return keptRedirects(state, this.trust.root);
  }

  #verified(signed: unknown): VerifiedRedirect {
    try {
      return verifyRedirect(signed, this.trust.root);
    } catch (error) {
      throw refused(`hosts would not follow it: ${refusalOf(error)}`);
    }
  }

  #check(document: RedirectDocument, kept: readonly KeptRedirect[], state: FleetState): void {
    const nowMs = this.hosts.clock.nowMs();
    const { issuedAt, target } = document;
    if (issuedAt > nowMs + CLOCK_TOLERANCE_MS)
      throw refused('it was signed in the future: compare the clock of who signed it');
    if (document.to && document.expiresAt <= nowMs) throw refused('it has expired already');
    if (document.to && document.expiresAt - issuedAt > MAX_LIFE_MS)
      throw refused('it ends later than 90 days after it was signed: give it an earlier end');
    const stranger = target.nodeIds?.find((nodeId) => state.nameOf(nodeId) === undefined);
    if (stranger !== undefined) throw refused(`no host has the node id ${stranger}`);
    const newest = kept.find(({ verified }) => verified);
    if (newest?.verified && newest.verified.document.issuedAt >= issuedAt)
      throw conflict(
        'issuedAt',
        new Date(issuedAt).toISOString(),
        `is not the newest: redirect ${newest.id} is newer, so that hosts would not follow this one`,
        'order and sign it anew by `hostward redirect`',
      );
    if (kept.length - this.#past(kept).length >= MAX_KEPT)
      throw conflict(
        'redirects',
        MAX_KEPT,
        'are as many as are kept',
        'wait until some have expired (hostward redirect list), or order one for all hosts (--all)',
      );
  }

  /** Those that no host could follow any more. */
  #past(kept: readonly KeptRedirect[]): readonly KeptRedirect[] {
    const nowMs = this.hosts.clock.nowMs();
    return kept.filter(({ verified }) => !verified || endOf(verified.document) <= nowMs);
  }

  /** Names the newest that counts, so that hosts that have heard of it need not ask. */
  #hint(): void {
    const { state } = this.fleet;
    if (state.revision === 0n || state.redirects.size === 0) return;
    const nowMs = this.hosts.clock.nowMs();
    const news = this.#kept(state).find(
      ({ verified }) => verified && isNews(verified.document, nowMs),
    );
    if (news?.verified) this.hosts.hint(news.verified.digest);
  }
}

/** When no host could follow it any more; one that says to stay ends what any host may still have. */
function endOf(document: RedirectDocument): number {
  return document.to ? document.expiresAt : document.issuedAt + MAX_LIFE_MS;
}

function isNews(document: RedirectDocument, nowMs: number): boolean {
  return document.stay ? nowMs < endOf(document) : isInForce(document, nowMs);
}

function refused(detail: string): ProblemError {
  return new ProblemError('invalid-documents', { detail: `the redirect is not taken: ${detail}` });
}
