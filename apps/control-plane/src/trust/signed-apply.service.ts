import { setImmediate as turn } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import {
  AUTHORED_KINDS,
  type AuthoredKind,
  type LabelsDocument,
  type PolicyDocument,
  type SignedDocument,
  type SuspensionDocument,
  limits,
  payloadTypes,
} from '#bundle';
import type { ApplyDocument, ApplyResponse, FieldError } from '#contracts';
import { etcdKeys, type Condition, type Write } from '#etcd';
import { type Group, type HostPolicy, validateDocument } from '#policy-model';
import { actor, currentCaller } from '../auth/caller.js';
import { checkSuspended } from '../store/write-gate.js';
import { Clock, isoNow } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import type { GroupRecord } from '../records/group.record.js';
import { ProblemError, conflict } from '../http/index.js';
import {
  affectedPolicies,
  heldBefore,
  lostPolicies,
  type Held,
} from '../policies/affected-policies.js';
import { lockoutErrors } from '../policies/lockout-check.js';
import { nextVersion, unchangedPolicy, versionWrites } from '../policies/policy-versions.js';
import { tooManyRules } from '../policies/too-many-rules.js';
import { AuthorCheck, type Known, type Offered, fault } from './author-check.js';
import {
  AuthoredIndex,
  type SignedContent,
  nameOf,
  refusalOf,
  verifySigned,
} from './authored-index.js';
import { SignedView } from './signed-view.js';

interface Step {
  readonly kind: string;
  readonly name: string;
  readonly verdict: ApplyDocument['verdict'];
  readonly errors?: readonly FieldError[];
  readonly conditions?: readonly Condition[];
  readonly writes?: readonly Write[];
}

interface Taken extends Offered {
  readonly kind: AuthoredKind;
  readonly envelope: SignedDocument;
  /** Of a policy that is not deleted: absent where its content is none. */
  readonly policy?: HostPolicy;
  /** How it would lock hosts. */
  readonly lockouts: readonly FieldError[];
}

/** Names that a host can remember; a deletion takes the place of its name for ever. */
const MOST_NAMES: Readonly<Record<AuthoredKind, number>> = {
  policy: limits.policiesPerBundle,
  group: limits.groupsPerBundle,
  suspension: limits.suspensionsPerBundle,
  labels: Number.POSITIVE_INFINITY,
};

const KIND_NAMES = {
  policy: 'KubeArmorHostPolicy',
  group: 'Group',
  labels: 'KubeArmorVirtualMachine',
  suspension: 'Suspension',
} as const;

/**
 * Takes documents that authors signed (authored mode), all or nothing. What no host would take is refused here already,
 * by the same rules; the hosts check for themselves.
 */
@Injectable()
export class SignedApplyService {
  constructor(
    private readonly fleet: Fleet,
    private readonly editor: FleetEditor,
    private readonly authored: AuthoredIndex,
    private readonly trust: Trust,
    private readonly authors: AuthorCheck,
    private readonly clock: Clock,
  ) {}

  /** Verdict per document. Throws 409 in managed mode and 422 where any is invalid; then nothing was written. */
  async apply(envelopes: readonly unknown[]): Promise<ApplyResponse> {
    if (!this.trust.authored) {
      throw conflict(
        'signed',
        envelopes.length,
        'documents of authors are not taken: this fleet is in managed mode',
        'apply the documents as they are: `hostward apply -f` with what was signed',
      );
    }
    let { root } = this.trust;
    let taken = await this.#read(envelopes);
    let steps: readonly Step[] = [];
    let held: Held | undefined;
    const revision = await this.editor.edit(async (state) => {
      if (root !== this.trust.root) [root, taken] = [this.trust.root, await this.#read(envelopes)];
      steps = this.#steps(taken, state);
      const errors = steps.flatMap((step) => step.errors ?? []);
      if (errors.length > 0) throw invalid(errors, steps);
      held = heldBefore(steps.map(toApplyDocument), state);
      const then = steps.flatMap(({ writes = [] }) => writes);
      if (then.length === 0) return undefined;
      const changed = steps.filter(({ verdict }) => verdict !== 'unchanged');
      const documents = changed.slice(0, 50).map(({ kind, name }) => `${kind}/${name}`);
      return {
        if: steps.flatMap(({ conditions = [] }) => conditions),
        then,
        auditLog: {
          by: actor(),
          action: 'apply.signed',
          target: `${changed.length} documents`,
          detail: { documents },
        },
      };
    });
    const documents = steps.map(toApplyDocument);
    const state = this.fleet.read();
    return {
      dryRun: false,
      revision: revision?.toString(),
      documents,
      affectedPolicies: affectedPolicies(documents, state),
      lostPolicies: held && lostPolicies(held, state),
    };
  }

  /** What can be judged of each by itself, once, however often the set is tried; others have their turn in between. */
  async #read(envelopes: readonly unknown[]): Promise<readonly (Taken | Step)[]> {
    const taken: (Taken | Step)[] = [];
    for (const [index, envelope] of envelopes.entries()) {
      taken.push(orFault(index, () => this.#take(envelope, index)));
      await turn();
    }
    return taken;
  }

  #take(envelope: unknown, index: number): Taken {
    const kind = kindOf(envelope);
    const authored = verifySigned(kind, envelope, this.trust);
    const { name, content } = authored.document as Partial<PolicyDocument>;
    const policy =
      kind === 'policy' && content !== undefined && name !== undefined
        ? contentOf(content, 'KubeArmorHostPolicy', name)
        : undefined;
    const lockouts = policy ? lockoutErrors(policy, index) : [];
    return { kind, index, envelope: envelope as SignedDocument, authored, policy, lockouts };
  }

  #steps(taken: readonly (Taken | Step)[], state: FleetState): readonly Step[] {
    const set = new Map<string, SignedContent>();
    const room = new Room(this.authored);
    const offers = taken.map((each, index) =>
      'verdict' in each
        ? each
        : orFault(index, () => {
            const { document } = each.authored;
            const id = `${each.kind}/${nameOf(document)}`;
            if (set.has(id)) throw new Error('is in this set twice');
            set.set(id, document);
            room.take(each.kind, nameOf(document));
            return each;
          }),
    );
    const fleet: Known = {
      state,
      before: new SignedView(state, this.authored),
      after: new SignedView(state, this.authored, set),
      narrow: this.authors.narrow(state, set),
    };
    return offers.map((offer, index) =>
      'verdict' in offer ? offer : orFault(index, () => this.#step(offer.kind, offer, fleet)),
    );
  }

  #step(kind: AuthoredKind, offered: Taken, fleet: Known): Step {
    const { document, digest } = offered.authored;
    const head = this.authored.get(kind, nameOf(document));
    const step = { kind: KIND_NAMES[kind], name: document.name };
    const isSame = head?.authored.digest === digest;
    if (isSame && !this.authored.isRefused(kind, nameOf(document)))
      return { ...step, verdict: 'unchanged' };
    const newest = head?.authored.document.version ?? 0;
    // The same version is taken once more where its signatures count no more.
    if (!isSame && document.version <= newest) {
      const words = `version ${document.version} is not above ${newest}, the newest; sign it again`;
      return { ...step, verdict: 'invalid', errors: [fault(offered.index, words)] };
    }
    const key = etcdKeys.signedDocument(kind, nameOf(document));
    const put: Write = { type: 'put', key, value: JSON.stringify(offered.envelope) };
    const before: Condition = {
      key,
      modRevision: this.authored.revisionOf(kind, nameOf(document)),
    };
    const beside = this.#beside(kind, offered, fleet);
    if ('errors' in beside) return { ...step, verdict: 'invalid', errors: beside.errors };
    const late = head && kind !== 'suspension' ? this.authors.ofVersion(offered, head) : [];
    if (late.length > 0) return { ...step, verdict: 'invalid', errors: late };
    return {
      ...step,
      verdict: 'deleted' in document ? 'pruned' : head ? 'configured' : 'created',
      conditions: [before, ...beside.conditions],
      writes: [put, ...beside.writes],
    };
  }

  /** The record that people and the index read, in the same transaction. */
  #beside(kind: AuthoredKind, offered: Taken, fleet: Known): Beside {
    const { document } = offered.authored;
    if ('labels' in document) return this.#node(document, offered, fleet);
    if (kind === 'suspension') return this.#suspension(document as SuspensionDocument, fleet);
    const named = document as PolicyDocument;
    return kind === 'policy'
      ? this.#policy(named, offered, fleet)
      : this.#group(named, offered, fleet);
  }

  /** Hosts show a suspension themselves; there is no record of it beside. Throws 403 beyond the scope of the caller. */
  #suspension(document: SuspensionDocument, { state }: Known): Beside {
    const caller = currentCaller();
    const head = this.authored.get('suspension', document.name)?.authored.document;
    if (caller)
      for (const each of [head as SuspensionDocument | undefined, document])
        if (each && !each.deleted) checkSuspended(caller, state, each.target);
    return { conditions: [], writes: [] };
  }

  #policy({ name, content }: PolicyDocument, offered: Taken, fleet: Known): Beside {
    const { state } = fleet;
    const stored = state.policies.get(name) ?? state.deletedPolicies.get(name);
    const { policy } = offered;
    if (content !== undefined && !policy)
      return { errors: [fault(offered.index, `is no host policy ${name}`)] };
    const surplus = policy ? tooManyRules(policy, offered.index) : [];
    if (surplus.length > 0) return { errors: surplus };
    const exempting = policy ? this.authors.ofExemption(offered, policy) : [];
    if (exempting.length > 0) return { errors: exempting };
    const errors = [
      ...offered.lockouts,
      ...this.authors.ofPolicy(offered, stored?.record.document, fleet.before),
      ...this.authors.ofPolicy(offered, policy, fleet.after),
    ];
    if (errors.length > 0) return { errors };
    const isNew = stored?.record.document === undefined;
    const change = policy ? (isNew ? 'created' : 'configured') : 'deleted';
    const owner = stored?.record.owner;
    const record = nextVersion(
      name,
      stored?.record,
      { change, paused: false, owner, document: policy },
      {
        by: actor(),
        at: isoNow(this.clock),
        sign: () => offered.envelope,
      },
    );
    return { conditions: [unchangedPolicy(name, stored)], writes: versionWrites(record) };
  }

  #group({ name, content }: PolicyDocument, offered: Taken, fleet: Known): Beside {
    const { index } = offered;
    const { state } = fleet;
    const errors = this.authors.ofGroup(offered, name, fleet);
    if (errors.length > 0) return { errors };
    const stored = state.groups.get(name);
    const key = etcdKeys.group(name);
    const conditions = [{ key, modRevision: stored?.revision ?? 0n }];
    if (content === undefined)
      return { conditions, writes: stored ? [{ type: 'delete', key }] : [] };
    const document = contentOf(content, 'Group', name);
    if (!document) return { errors: [fault(index, `is no Group ${name}`)] };
    const record: GroupRecord = { v: 1, name, at: isoNow(this.clock), by: actor(), document };
    return { conditions, writes: [{ type: 'put', key, value: JSON.stringify(record) }] };
  }

  #node(document: LabelsDocument, offered: Taken, fleet: Known): Beside {
    const { name, nodeId, labels } = document;
    const { index } = offered;
    const { state } = fleet;
    const stored = state.nodes.get(name);
    if (!stored || stored.record.enrollment?.nodeId !== nodeId) {
      const words = `there is no enrolled host ${name} with the id ${nodeId}; enrol it first, and sign for the id that it has`;
      return { errors: [fault(index, words)] };
    }
    const head = this.authored.get('labels', nodeId)?.authored.document as
      LabelsDocument | undefined;
    const errors = this.authors.ofLabels(offered, head, document, fleet);
    if (errors.length > 0) return { errors };
    const key = etcdKeys.node(name);
    const record = { ...stored.record, labels, at: isoNow(this.clock), by: actor() };
    return {
      conditions: [{ key, modRevision: stored.revision }],
      writes: [{ type: 'put', key, value: JSON.stringify(record) }],
    };
  }
}

/** What is beyond it no host would take any more, so it is not let in. */
class Room {
  readonly #fresh = new Map<AuthoredKind, number>();

  constructor(private readonly authored: AuthoredIndex) {}

  take(kind: AuthoredKind, name: string): void {
    if (this.authored.get(kind, name)) return;
    const fresh = (this.#fresh.get(kind) ?? 0) + 1;
    this.#fresh.set(kind, fresh);
    if (this.authored.heads(kind).length + fresh <= MOST_NAMES[kind]) return;
    throw new Error(
      `hosts remember at most ${MOST_NAMES[kind]} names of this kind, those of deletions among them: use the name of one that was deleted`,
    );
  }
}

type Beside =
  | { readonly errors: readonly FieldError[] }
  | { readonly conditions: readonly Condition[]; readonly writes: readonly Write[] };

function contentOf(
  content: unknown,
  kind: 'KubeArmorHostPolicy',
  name: string,
): HostPolicy | undefined;
function contentOf(content: unknown, kind: 'Group', name: string): Group | undefined;
function contentOf(content: unknown, kind: string, name: string): HostPolicy | Group | undefined {
  const { document } = validateDocument(content, { mode: 'lenient' });
  if (document === undefined || document.kind === 'KubeArmorVirtualMachine') return undefined;
  return document.kind === kind && document.metadata.name === name ? document : undefined;
}

function orFault<T>(index: number, work: () => T): T | Step {
  try {
    return work();
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    const errors = [fault(index, refusalOf(error))];
    return { kind: 'SignedDocument', name: String(index), verdict: 'invalid', errors };
  }
}

function kindOf(envelope: unknown): AuthoredKind {
  const type =
    typeof envelope === 'object' && envelope !== null && 'payloadType' in envelope
      ? envelope.payloadType
      : undefined;
  for (const kind of AUTHORED_KINDS) if (payloadTypes[kind] === type) return kind;
  throw new Error('is no signed policy, group, labels or suspension document');
}

function invalid(errors: readonly FieldError[], steps: readonly Step[]): ProblemError {
  return new ProblemError('invalid-documents', {
    detail: errors[0] && `${errors[0].field}: ${errors[0].message}`,
    errors: errors.slice(0, 500),
    documents: steps.map(toApplyDocument),
  });
}

function toApplyDocument({ kind, name, verdict, errors = [] }: Step, index: number): ApplyDocument {
  return { index, kind, name, verdict, errors, warnings: [] };
}
