import { Injectable } from '@nestjs/common';
import { RefusedError, verifyEnrollment } from '#bundle';
import { etcdKeys, type Write } from '#etcd';
import type { EnrollRequest, EnrollResponse } from '#contracts';
import { CertificateRefusedError, issueClient } from '#pki';
import { tokenMatches } from '../access/index.js';
import { Clock, isoNow } from '../clock.js';
import { AgentEndpoint } from '../config/agent-endpoint.js';
import { Trust } from '../config/trust.js';
import { FleetEditor } from '../fleet/fleet-editor.js';
import type { FleetState } from '../fleet/fleet-state.js';
import type { Stored } from '../fleet/shelf.js';
import { ProblemError, invalidField } from '../http/index.js';
import type { LedgerChange } from '../journal/ledger.js';
import { Turns } from '../turns.js';
import { makeHostKey } from './host-keys.js';
import { JoinTokenStore } from './join-token.store.js';
import { refusalOf, tokenId, type JoinTokenRecord } from './join-token.record.js';
import type { NodeRecord } from './node.record.js';

const MAX_WAITING = 500;

/**
 * Lets hosts in. The join token is the credential of a first enrolment and is counted exactly; a host that is enrolled
 * already proves itself by its signing key, so a retry or a renewed certificate costs no use.
 */
@Injectable()
export class EnrollService {
  readonly #turns = new Turns(MAX_WAITING);

  constructor(
    private readonly editor: FleetEditor,
    private readonly tokens: JoinTokenStore,
    private readonly trust: Trust,
    private readonly endpoint: AgentEndpoint,
    private readonly clock: Clock,
  ) {}

  /** Throws 400 for a request that proves nothing, 401 and 403 for a token that lets nobody in, 409 for a taken name. */
  async enroll(request: EnrollRequest): Promise<EnrollResponse> {
    const nodeId = proveIdentity(request);
    const certificate = await this.#certificate(request, nodeId);
    // One after another: a hundred hosts with one token would else all read the same count and all but one start anew.
    await this.#turns.run(() => this.editor.edit((state) => this.#admit(request, nodeId, state)));
    const { authority, root } = this.trust;
    return {
      nodeId,
      name: request.name,
      certificate,
      ca: authority.certificatePem,
      redis: this.endpoint,
      root: root.signed,
    };
  }

  async #certificate({ csr }: EnrollRequest, nodeId: string): Promise<string> {
    try {
      return await issueClient({
        authority: this.trust.authority,
        csrPem: csr,
        nodeId,
        now: new Date(this.clock.nowMs()),
      });
    } catch (error) {
      if (!(error instanceof CertificateRefusedError)) throw error;
      throw invalidField(
        'csr',
        undefined,
        error.message,
        'send a PKCS#10 request of a P-256 key in PEM',
      );
    }
  }

  async #admit(
    request: EnrollRequest,
    nodeId: string,
    state: FleetState,
  ): Promise<LedgerChange | undefined> {
    const stored = state.nodes.get(request.name);
    if (isRetry(stored?.record, request, nodeId)) return undefined;
    const token = await this.#token(request.token);
    checkFree(stored?.record, request, nodeId, state);
    const record = this.#record(request, nodeId, stored?.record, token.record);
    const hostKey = await makeHostKey(
      { nodeId, sealingKey: request.sealingKey },
      this.trust.root.document.epoch,
    );
    return admission(record, hostKey, stored, token);
  }

  async #token(text: string): Promise<Stored<JoinTokenRecord>> {
    const id = tokenId(text);
    const found = id === undefined ? undefined : await this.tokens.get(id);
    if (!found || !tokenMatches(text, found.record.hash)) {
      throw new ProblemError('not-authenticated', { detail: 'the join token is not known here' });
    }
    const refusal = refusalOf(found.record, this.clock.nowMs());
    if (refusal === undefined) return found;
    throw new ProblemError('not-permitted', {
      detail: `${refusal}; make one with hostward create join-token`,
    });
  }

  #record(
    { name, hostname, signingKey, sealingKey }: EnrollRequest,
    nodeId: string,
    declared: NodeRecord | undefined,
    token: JoinTokenRecord,
  ): NodeRecord {
    const at = isoNow(this.clock);
    const enrollment = { nodeId, hostname, signingKey, sealingKey, joinToken: token.id, at };
    // What an operator declared for this very host outweighs what a token says for many.
    const labels = { ...token.labels, ...declared?.labels };
    return { v: 1, name, labels, at, by: `join-token ${token.id}`, enrollment };
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
      'sign name, sealing key and csr with the signing key',
    );
  }
}

function isRetry(record: NodeRecord | undefined, request: EnrollRequest, nodeId: string): boolean {
  const enrollment = record?.enrollment;
  return (
    record?.revoked !== true &&
    enrollment?.nodeId === nodeId &&
    enrollment.sealingKey === request.sealingKey
  );
}

function checkFree(
  record: NodeRecord | undefined,
  { name }: EnrollRequest,
  nodeId: string,
  state: FleetState,
): void {
  if (record?.revoked === true)
    throw new ProblemError('not-permitted', { detail: `host ${name} is revoked` });
  if (record?.enrollment) {
    throw new ProblemError('conflict', {
      detail: `the name ${name} is taken by a host with other keys; offboard it first (hostward delete node ${name})`,
    });
  }
  const other = state.nameOf(nodeId);
  if (other !== undefined) {
    throw new ProblemError('conflict', {
      detail: `this host is enrolled as ${other}; offboard it first`,
    });
  }
}

function admission(
  record: NodeRecord,
  hostKey: Write,
  stored: Stored<NodeRecord> | undefined,
  token: Stored<JoinTokenRecord>,
): LedgerChange {
  const node = etcdKeys.node(record.name);
  const join = etcdKeys.joinToken(token.record.id);
  const counted: JoinTokenRecord = { ...token.record, used: token.record.used + 1 };
  return {
    if: [
      { key: node, modRevision: stored?.revision ?? 0n },
      { key: join, modRevision: token.revision },
      // The host key is named by the node id: it guards against one key enrolled under two names at once.
      { key: hostKey.key, modRevision: 0n },
    ],
    then: [
      { type: 'put', key: node, value: JSON.stringify(record) },
      { type: 'put', key: join, value: JSON.stringify(counted) },
      hostKey,
    ],
    journal: {
      by: record.by,
      action: 'node.enrolled',
      target: record.name,
      detail: { nodeId: record.enrollment?.nodeId },
    },
  };
}
