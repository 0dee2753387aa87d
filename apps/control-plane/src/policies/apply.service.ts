import { setImmediate as turn } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { ApplyDocument, ApplyResponse } from '#contracts';
import { etcdKeys } from '#etcd';
import { Clock, isoNow } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import type { FleetState } from '../store/fleet-state.js';
import { ProblemError } from '../http/index.js';
import { affectedPolicies, heldBefore, lostPolicies, type Held } from './affected-policies.js';
import { DocumentReader } from './document-reader.js';
import { toFieldError } from './field-errors.js';
import type { JudgedText, WrittenText } from './judge-documents.js';
import { mustBeOnly } from './must-be-only.js';
import { planApply, type ApplyPlan, type PlanState } from './plan-apply.js';
import { PolicyHistory } from './policy-history.js';
import { PolicySigner } from './policy-signer.js';

/** A set of documents and how to apply it. */
export interface ApplyRequest extends WrittenText {
  readonly by: string;
  readonly dryRun: boolean;
  readonly prune: boolean;
  readonly owner?: string;
  /** Also what stands in the place of a document and cannot be read. */
  readonly overrideUnreadable?: boolean;
  /** The one document that the set must consist of. */
  readonly only?: { readonly kind: string; readonly name: string };
  /** Looks at the state before anything is planned; throws to refuse. */
  readonly check?: (state: FleetState) => void;
}

/** Applies sets of documents, all or nothing. */
@Injectable()
export class ApplyService {
  readonly #reader = new DocumentReader();

  constructor(
    private readonly fleet: Fleet,
    private readonly editor: FleetEditor,
    private readonly signer: PolicySigner,
    private readonly clock: Clock,
    private readonly history: PolicyHistory,
  ) {}

  /** Verdict per document. Throws 422 where any is invalid, and then nothing was written. */
  async apply(request: ApplyRequest): Promise<ApplyResponse> {
    const parsed = await this.#read(request);
    let plan: ApplyPlan | undefined;
    let held: Held | undefined;
    const decide = async (state: FleetState) => {
      request.check?.(state);
      const replaced = request.overrideUnreadable ? await this.#replaced(parsed, state) : undefined;
      plan = this.#plan(parsed, request, state, replaced);
      held = request.dryRun ? undefined : heldBefore(plan.documents, state);
      return plan.writes.length === 0 ? undefined : toChange(plan, request);
    };
    if (request.dryRun) await this.editor.rehearse(decide, request);
    const revision = request.dryRun ? undefined : await this.editor.edit(decide, request);
    const written = plan ?? this.#plan(parsed, request, this.fleet.read());
    return this.#answer(written, request, { revision, held });
  }

  /** Records that cannot be read and have the name of one of these, with the number of the newest version of a policy. */
  async #replaced(
    { documents }: JudgedText,
    { unreadable }: FleetState,
  ): Promise<ReadonlyMap<string, number>> {
    const replaced = new Map<string, number>();
    for (const { name } of documents) {
      for (const key of [etcdKeys.group(name), etcdKeys.node(name)])
        if (unreadable.has(key)) replaced.set(key, 0);
      const key = etcdKeys.policy(name);
      if (unreadable.has(key)) replaced.set(key, await this.history.newest(name));
    }
    return replaced;
  }

  async #read(request: ApplyRequest): Promise<JudgedText> {
    const { text, format, defaultSelector, overrideProtection, only, by } = request;
    const written = { text, format, defaultSelector, overrideProtection };
    const parsed = await this.#reader.read(written, by);
    if (only && parsed.documents.length > 0) mustBeOnly(parsed.documents, only);
    const loose = parsed.diagnostics
      .filter(({ severity }) => severity === 'error')
      .map(toFieldError);
    if (parsed.documents.length > 0) return parsed;
    throw new ProblemError('invalid-documents', {
      detail: loose[0]?.message ?? 'the request holds no document',
      errors: loose,
    });
  }

  #plan(
    parsed: JudgedText,
    request: ApplyRequest,
    state: FleetState,
    replaced?: ReadonlyMap<string, number>,
  ): ApplyPlan {
    const plan = planApply(parsed.documents, planState(state), {
      ...request,
      replaced,
      at: isoNow(this.clock),
      sign: (document) => this.signer.sign(document),
      keyid: this.signer.keyid,
      judgements: parsed.judgements,
    });
    const errors = [
      ...parsed.diagnostics.filter(({ severity }) => severity === 'error').map(toFieldError),
      ...plan.documents.flatMap((document) => document.errors),
    ];
    if (errors.length === 0) return plan;
    throw new ProblemError(plan.lockedOut ? 'would-lock-out' : 'invalid-documents', {
      detail: errors[0] && `${errors[0].field}: ${errors[0].message}`,
      errors: unique(errors).slice(0, 500),
      // What would have been pruned was not named by the caller, and may be outside what they see.
      documents: plan.documents.filter(({ verdict }) => verdict !== 'pruned'),
    });
  }

  async #answer(
    plan: ApplyPlan,
    { dryRun }: ApplyRequest,
    { revision, held }: { readonly revision?: bigint; readonly held?: Held },
  ): Promise<ApplyResponse> {
    const state = this.fleet.read();
    const groups = dryRun ? [...plan.groups] : [];
    const members = new Map(groups.map(([name, of]) => [name, state.index.membersBy(of)]));
    const documents: ApplyDocument[] = [];
    for (const document of plan.documents) {
      const selected = dryRun
        ? wouldSelect(document, plan, state, members)
        : selectedNodes(document, state);
      documents.push({
        ...document,
        revision: revisionOf(document, state),
        selectedNodes: selected,
      });
      if (dryRun) await turn();
    }
    return {
      dryRun,
      revision: revision?.toString(),
      documents,
      affectedPolicies: dryRun ? undefined : affectedPolicies(documents, state),
      lostPolicies: held && lostPolicies(held, state),
    };
  }
}

function toChange(plan: ApplyPlan, { by, owner }: ApplyRequest) {
  const changed = plan.documents.filter(({ verdict }) => verdict !== 'unchanged');
  const detail = {
    owner,
    documents: changed.slice(0, 50).map(({ kind, name, verdict }) => `${kind}/${name} ${verdict}`),
  };
  const target = `${changed.length} documents`;
  return {
    if: plan.conditions,
    then: plan.writes,
    auditLog: { by, action: 'apply', target, detail },
  };
}

function revisionOf({ kind, name }: ApplyDocument, state: FleetState): string | undefined {
  if (kind === 'KubeArmorHostPolicy') return state.policies.get(name)?.revision.toString();
  if (kind === 'Group') return state.groups.get(name)?.revision.toString();
  return state.nodes.get(name)?.revision.toString();
}

function selectedNodes(
  { kind, verdict, name }: ApplyDocument,
  { index }: FleetState,
): number | undefined {
  return kind === 'KubeArmorHostPolicy' && verdict !== 'pruned' ? index.countOf(name) : undefined;
}

/** Of what was not written, with the members that the groups of the plan would have. */
function wouldSelect(
  { kind, verdict, name }: ApplyDocument,
  { selectors }: ApplyPlan,
  { index }: FleetState,
  members: ReadonlyMap<string, ReadonlySet<string>>,
): number | undefined {
  if (kind !== 'KubeArmorHostPolicy' || verdict === 'pruned') return undefined;
  const selector = selectors.get(name);
  return selector && index.nodesBy(selector, members).size;
}

function planState(state: FleetState): PlanState {
  return {
    policy: (name) => state.policies.get(name),
    deletedPolicy: (name) => state.deletedPolicies.get(name),
    group: (name) => state.groups.get(name),
    node: (name) => state.nodes.get(name),
    policiesOwnedBy: (owner) =>
      state.policies.sorted().filter(({ record }) => record.owner === owner),
    groupsOwnedBy: (owner) => state.groups.sorted().filter(({ record }) => record.owner === owner),
  };
}

function unique<T>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}
