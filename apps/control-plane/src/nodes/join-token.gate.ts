import { Injectable } from '@nestjs/common';
import type { AttestationKind, EnrollRequest } from '#contracts';
import { tokenMatches } from '../auth/token-hash.js';
import { Clock } from '../http/clock.js';
import type { Stored } from '../store/record-index.js';
import { ProblemError } from '../http/index.js';
import { Attestor } from './attestor.js';
import { refusalOf, tokenId, type JoinTokenRecord } from '../records/join-token.record.js';
import { JoinTokenStore } from './join-token.store.js';
import { isWithin } from './network.js';
import type { NodeRecord } from '../records/node.record.js';

/** The join token that lets a host in, and what the host proved beside it. */
export interface ConcurrencyLimiter extends Stored<JoinTokenRecord> {
  readonly attested?: AttestationKind;
}

/** Judges who may join by a token: its time and uses, from where, and the proof that it demands. */
@Injectable()
export class JoinTokenGate {
  constructor(
    private readonly tokens: JoinTokenStore,
    private readonly attestor: Attestor,
    private readonly clock: Clock,
  ) {}

  /** Throws 401 for a token that is not known, 403 with the reason for one that does not let this host in. */
  async admit(
    request: EnrollRequest,
    peer: string,
    declared: NodeRecord | undefined,
  ): Promise<ConcurrencyLimiter> {
    const id = tokenId(request.token);
    const found = id === undefined ? undefined : await this.tokens.get(id);
    if (!found || !tokenMatches(request.token, found.record.hash)) {
      throw new ProblemError('not-authenticated', { detail: 'the join token is not known here' });
    }
    this.#checkToken(found.record, peer);
    const { attest } = found.record;
    if (attest === undefined) return found;
    const refusal = this.attestor.refusalOf(request, declared);
    if (refusal !== undefined) throw new ProblemError('not-permitted', { detail: refusal });
    return { ...found, attested: attest };
  }

  #checkToken(record: JoinTokenRecord, peer: string): void {
    const refusal = refusalOf(record, this.clock.nowMs());
    if (refusal !== undefined)
      throw new ProblemError('not-permitted', {
        detail: `${refusal}; make one with hostward create join-token`,
      });
    const { cidrs = [] } = record;
    if (cidrs.length === 0 || isWithin(peer, cidrs)) return;
    throw new ProblemError('not-permitted', {
      detail: `the join token is for hosts in ${cidrs.join(', ')}, and you come from ${peer}`,
    });
  }
}
