import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import type { ExceptionView } from '#contracts';
import { validateDocument, type HostPolicy } from '#policy-model';
import { Clock, isoNow } from '../http/clock.js';
import { FleetEditor, type Override } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import { ProblemError, notFound } from '../http/index.js';
import { readSelector } from '../http/read-selector.js';
import type { LedgerChange } from '../store/ledger.js';
import type { ExceptionRecord } from '../records/exception.record.js';
import { exceptionPolicy, takesAnything } from './exception-policy.js';
import { toFieldError } from './field-errors.js';
import { PolicySigner } from './policy-signer.js';
import { findPolicy } from './policy.view.js';
import {
  nextVersion,
  unchangedPolicy,
  versionDeletions,
  versionWrites,
} from './policy-versions.js';

/** Exceptions with an end: each is a policy of tier `exception`, made here and removed when its time is over. */
@Injectable()
export class ExceptionService {
  constructor(
    private readonly editor: FleetEditor,
    private readonly signer: PolicySigner,
    private readonly clock: Clock,
  ) {}

  /** Throws 404 for an unknown policy and 422 for one that no exception can be made from. */
  async create(
    order: Pick<ExceptionView, 'policy' | 'selector' | 'until' | 'reason' | 'by'>,
  ): Promise<ExceptionView> {
    const id = randomBytes(6).toString('hex');
    const record: ExceptionRecord = {
      v: 1,
      id,
      madePolicy: madePolicyOf(id),
      at: isoNow(this.clock),
      ...order,
    };
    await this.editor.edit((state) => this.#creation(state, record));
    return exceptionView(record);
  }

  /** Ends it, and with it the policy that was made for it, of which nothing stays but what the audit log tells. */
  async end(id: string, by: string, override?: Override): Promise<void> {
    await this.editor.edit((state) => {
      const { policy, madePolicy, revision } = unreadException(state, id) ?? toEnd(state, id);
      const made = state.policies.get(madePolicy) ?? state.deletedPolicies.get(madePolicy);
      const key = etcdKeys.exception(policy, id);
      return {
        if: [{ key, modRevision: revision }, ...(made ? [unchangedPolicy(madePolicy, made)] : [])],
        then: [{ type: 'delete', key }, ...(made ? versionDeletions(made.record) : [])],
        auditLog: { by, action: 'exception.ended', target: id, detail: { policy } },
      };
    }, override);
  }

  #creation(state: FleetState, record: ExceptionRecord): LedgerChange {
    const base = findPolicy(state, record.policy);
    if (!base.record.document) throw notFound('policy', record.policy);
    if (!takesAnything(base.record.document)) throw nothingTaken(record.policy);
    const document = validated(
      exceptionPolicy(base.record.document, {
        name: record.madePolicy,
        selector: readSelector(record.selector, 'selector'),
        until: record.until,
        reason: record.reason,
      }),
    );
    const key = etcdKeys.exception(record.policy, record.id);
    const content = { change: 'created', paused: false, document } as const;
    const { madePolicy, policy, selector, until, reason, by } = record;
    const sign = this.signer.sign.bind(this.signer);
    const revising = { by, at: isoNow(this.clock), sign };
    return {
      if: [{ key, modRevision: 0n }, unchangedPolicy(madePolicy, undefined)],
      then: [
        { type: 'put', key, value: JSON.stringify(record) },
        ...versionWrites(nextVersion(madePolicy, undefined, content, revising)),
      ],
      auditLog: {
        by,
        action: 'exception.created',
        target: record.id,
        detail: { policy, selector, until, reason },
      },
    };
  }
}

/** What is needed to end an exception. */
type Ending = Pick<ExceptionRecord, 'policy' | 'madePolicy'> & { readonly revision: bigint };

function madePolicyOf(id: string): string {
  return `exception-${id}`;
}

function toEnd(state: FleetState, id: string): Ending {
  const { record, revision } = findException(state, id);
  return { ...record, revision };
}

/** Of one whose record cannot be read, by its key, which names both. */
function unreadException(state: FleetState, id: string): Ending | undefined {
  const key = [...state.unreadable.keys()].find(
    (each) => each.startsWith(etcdKeys.exceptions) && each.endsWith(`/${id}`),
  );
  const revision = key === undefined ? undefined : state.revisions.get(key);
  if (key === undefined || revision === undefined) return undefined;
  const policy = key.slice(etcdKeys.exceptions.length, -`/${id}`.length);
  return { policy, madePolicy: madePolicyOf(id), revision };
}

function nothingTaken(policy: string): ProblemError {
  const message =
    'it takes nothing that an exception could give back: it has no Block, and no Allow under hostward.io/posture: block';
  const remedy =
    'find the policy whose Block or list is in the way: hostward explain, or the alert';
  return new ProblemError('invalid-documents', {
    detail: `no exception can be made from ${policy}: ${message}`,
    errors: [{ field: 'policy', value: policy, message, remedy }],
  });
}

/** What is made must be a policy that hosts take. */
function validated(document: HostPolicy): HostPolicy {
  const parsed = validateDocument(document, { mode: 'lenient' });
  if (parsed.document?.kind === 'KubeArmorHostPolicy') return parsed.document;
  throw new ProblemError('invalid-documents', {
    detail: 'no exception can be made from this policy',
    errors: parsed.diagnostics.filter(({ severity }) => severity === 'error').map(toFieldError),
  });
}

/** The exception of this id, or 404. */
export function findException(state: FleetState, id: string) {
  const found = state.exceptions.sorted().find(({ record }) => record.id === id);
  if (found) return found;
  throw notFound('exception', id);
}

/** An exception as REST shows it. */
export function exceptionView({ v: _format, ...view }: ExceptionRecord): ExceptionView {
  return view;
}
