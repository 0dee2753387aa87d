import { Injectable } from '@nestjs/common';
import { RefusedError, verifyEnrollment } from '#bundle';
import { etcdKeys, type Write } from '#etcd';
import type { EnrollRequest, EnrollResponse } from '#contracts';
import { Clock, isoNow } from '../http/clock.js';
import { AgentEndpoints } from '../config/agent-endpoints.js';
import { Trust } from '../config/trust.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Stored } from '../store/record-index.js';
import { ProblemError, invalidField, conflict } from '../http/index.js';
import type { LedgerChange } from '../store/ledger.js';
import { Mutex } from '../http/mutex.js';
import { EnrollAnswers } from './enroll-answers.js';
import { makeChannelKey } from '../trust/channel-keys.js';
import { JoinTokenGate, type ConcurrencyLimiter } from './join-token.gate.js';
import { checkBounds, groupConditions } from './join-token.bounds.js';
import type { JoinTokenRecord } from '../records/join-token.record.js';
import type { Enrollment, NodeRecord, RedisSecret } from '../records/node.record.js';
import { cutOffText, rotated, rotationWaitMs } from '../trust/redis-identity.js';
import { MAIN_SHARD } from '../config/redis-shards.js';
import { revocationText } from '../records/revocation.record.js';

const MAX_WAITING = 500;

/**
 * Lets hosts in. The join token is the credential of a first enrolment and is counted exactly; a host that is enrolled
 * already proves itself by its signing key, so a retry or a renewed certificate costs no use.
 */
@Injectable()
export class EnrollService {
  readonly #mutex = new Mutex(MAX_WAITING, 'enrollments');

  constructor(
    private readonly editor: FleetEditor,
    private readonly gate: JoinTokenGate,
    private readonly trust: Trust,
    private readonly answers: EnrollAnswers,
    private readonly endpoints: AgentEndpoints,
    private readonly clock: Clock,
  ) {}

  /** Throws 400 for a request that proves nothing, 401 and 403 for a token that lets nobody in, 409 for a taken name. */
  async enroll(request: EnrollRequest, peer: string): Promise<EnrollResponse> {
    const nodeId = proveIdentity(request);
    // Before a use is counted: a request of which no certificate can be made costs none.
    await this.answers.check(request);
    // One after another: a hundred hosts with one token would else all read the same count and all but one start anew.
    await this.#mutex.run(() =>
      this.editor.edit((state) => this.#admit(request, { nodeId, peer }, state)),
    );
    // Only now: for whoever was refused no certificate was ever made. One that is lost on its way is made again.
    return this.answers.of(request, nodeId);
  }

  async #admit(
    request: EnrollRequest,
    { nodeId, peer }: { readonly nodeId: string; readonly peer: string },
    state: FleetState,
  ): Promise<LedgerChange | undefined> {
    const revocation = state.revocationOf(nodeId);
    if (revocation) throw new ProblemError('not-permitted', { detail: revocationText(revocation) });
    const stored = renamed(state, nodeId, request.name) ?? state.nodes.get(request.name);
    const known = stored?.record.enrollment;
    if (stored && known && isSameHost(known, request, nodeId)) {
      const cutOff = cutOffText(stored.record, this.clock.nowMs());
      if (cutOff !== undefined) throw new ProblemError('not-permitted', { detail: cutOff });
      return this.#renewal(stored, known, request);
    }
    const token = await this.gate.admit(request, peer, stored?.record);
    checkFree(stored?.record, request, nodeId, state);
    const record = this.#record(request, nodeId, stored?.record, token);
    checkBounds(token.record, record, state);
    const channelKey = await makeChannelKey({ nodeId, sealingKey: request.sealingKey }, this.trust);
    const change = limiter(record, channelKey, stored, token);
    return { ...change, if: [...change.if, ...groupConditions(token.record, state)] };
  }

  /**
   * A host that comes again with another secret for Redis gets both for a time; one that is to be on another Redis by now
   * is moved in the moment in which it hears where that is.
   */
  #renewal(
    { record, revision }: Stored<NodeRecord>,
    enrollment: Enrollment,
    { redisSecretHash }: EnrollRequest,
  ): LedgerChange | undefined {
    const { nodeId } = enrollment;
    const redisSecret = this.#secretOf(enrollment, redisSecretHash);
    const redisShard = this.#shardFor(nodeId);
    const moved = redisShard !== enrollment.redisShard;
    if (redisSecret === enrollment.redisSecret && !moved) return undefined;
    const renewed = { ...enrollment, redisSecret, redisShard };
    const key = etcdKeys.node(record.name);
    return {
      if: [{ key, modRevision: revision }],
      then: [{ type: 'put', key, value: JSON.stringify({ ...record, enrollment: renewed }) }],
      auditLog: {
        by: `node ${record.name}`,
        action: moved ? 'node.redis-moved' : 'node.redis-secret-rotated',
        target: record.name,
        detail: { nodeId, ...(moved && { to: redisShard ?? MAIN_SHARD }) },
      },
    };
  }

  /** Throws 429 where another one was taken a moment ago. */
  #secretOf({ redisSecret }: Enrollment, hash: string): RedisSecret {
    if (redisSecret.hash === hash) return redisSecret;
    const nowMs = this.clock.nowMs();
    const waitMs = rotationWaitMs(redisSecret, nowMs);
    if (waitMs === 0) return rotated(redisSecret, hash, nowMs);
    const headers = { 'retry-after': String(Math.ceil(waitMs / 1_000)) };
    const detail = 'the secret for Redis was rotated a moment ago';
    throw new ProblemError('too-many-requests', { detail, headers });
  }

  /** As a record has it: the main one goes without saying. */
  #shardFor(nodeId: string): string | undefined {
    const shard = this.endpoints.shardFor(nodeId);
    return shard === MAIN_SHARD ? undefined : shard;
  }

  #record(
    { name, hostname, signingKey, sealingKey, redisSecretHash }: EnrollRequest,
    nodeId: string,
    declared: NodeRecord | undefined,
    { record: token, attested }: ConcurrencyLimiter,
  ): NodeRecord {
    const at = isoNow(this.clock);
    const redisSecret = { hash: redisSecretHash };
    const keys = { signingKey, sealingKey, redisSecret, redisShard: this.#shardFor(nodeId) };
    const enrollment = { nodeId, hostname, ...keys, joinToken: token.id, at, attested };
    // What an operator declared for this very host outweighs what a token says for many.
    const labels = { ...token.labels, ...declared?.labels };
    const by = `join-token ${token.id}`;
    return { v: 1, name, labels, sshHostKey: declared?.sshHostKey, at, by, enrollment };
  }
}

/** The node id, if the request is signed by its key. */
function proveIdentity(request: EnrollRequest): string {
  try {
    return verifyEnrollment(request);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    throw invalidField(
      'signature',
      undefined,
      error.message,
      'sign name, sealing key, redis secret hash and csr with the signing key',
    );
  }
}

/** The host of this identity, where it comes under the name that it had before an operator renamed it. */
function renamed(state: FleetState, nodeId: string, name: string): Stored<NodeRecord> | undefined {
  const stored = state.nodes.get(state.nameOf(nodeId) ?? '');
  return stored?.record.enrollment?.enrolledAs === name ? stored : undefined;
}

function isSameHost(known: Enrollment, { sealingKey }: EnrollRequest, nodeId: string): boolean {
  return known.nodeId === nodeId && known.sealingKey === sealingKey;
}

function checkFree(
  record: NodeRecord | undefined,
  { name }: EnrollRequest,
  nodeId: string,
  state: FleetState,
): void {
  if (record?.enrollment) {
    const remedy = `choose another one, or offboard that host first (hostward delete node ${name})`;
    throw conflict('name', name, 'is taken by a host with other keys', remedy);
  }
  const other = state.nameOf(nodeId);
  if (other !== undefined) {
    const remedy = `give it the other name (hostward node rename ${other} ${name}), or offboard it first`;
    throw conflict('name', name, `is not that of this host, which is enrolled as ${other}`, remedy);
  }
}

function limiter(
  record: NodeRecord,
  channelKey: Write,
  stored: Stored<NodeRecord> | undefined,
  token: Stored<JoinTokenRecord>,
): LedgerChange {
  const node = etcdKeys.node(record.name);
  const join = etcdKeys.joinToken(token.record.id);
  const nodeId = record.enrollment?.nodeId ?? '';
  const counted: JoinTokenRecord = { ...token.record, used: token.record.used + 1 };
  return {
    if: [
      { key: node, modRevision: stored?.revision ?? 0n },
      { key: join, modRevision: token.revision },
      // The channel key is named by the node id: it guards against one key enrolled under two names at once.
      { key: channelKey.key, modRevision: 0n },
      { key: etcdKeys.revocation(nodeId), modRevision: 0n },
    ],
    then: [
      { type: 'put', key: node, value: JSON.stringify(record) },
      { type: 'put', key: join, value: JSON.stringify(counted) },
      channelKey,
    ],
    auditLog: {
      by: record.by,
      action: 'node.enrolled',
      target: record.name,
      detail: { nodeId, attested: record.enrollment?.attested },
    },
  };
}
