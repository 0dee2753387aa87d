import type { ApplyResponse, JoinTokenView, SuspensionView } from '#contracts';
import type { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import type { Action, History, Labels } from '../history.js';
import type { FaultedHost } from './faulted-host.js';

/** Longer than a run, whatever the clocks of hosts and control planes say. */
const LET_OFF_MS = 24 * 60 * 60_000;

/** Does what a plan asks for through the CLI's clients in turn, one operation at a time, and writes down how each ended. */
export class Workload {
  readonly #waiting = new Set<string>();
  readonly #letOff = new Set<string>();
  /** Names that are kept for another machine. */
  readonly #kept = new Set<string>();
  /** Whose next machine has not begun. */
  readonly #givenUp = new Set<string>();
  /** Who may have their machine still. */
  readonly #unsure = new Set<string>();
  #op = 0;
  readonly counts = { ok: 0, fail: 0, unknown: 0 };

  constructor(
    private readonly clients: readonly ControlPlane[],
    private readonly history: History,
    private readonly hosts: ReadonlyMap<string, FaultedHost>,
  ) {}

  async do(action: Action): Promise<'ok' | 'fail' | 'unknown'> {
    this.#op += 1;
    const op = this.#op;
    this.history.write({ type: 'invoke', op, action });
    if (action.kind === 'enrol') this.#waiting.add(action.node);
    if (action.kind === 'suspend') this.#letOff.add(action.reason);
    try {
      const revision = await this.#ask(action, this.#client(op));
      this.history.write({ type: 'ok', op, revision });
      this.counts.ok += 1;
      if (action.kind === 'enrol') this.#waiting.delete(action.node);
      if (action.kind === 'replace') this.#giveUp(action.node);
      if (action.kind === 'end-suspension') this.#letOff.delete(action.reason);
      return 'ok';
    } catch (error) {
      const type = isRefusal(error) ? 'fail' : 'unknown';
      this.history.write({ type, op, why: String(error).slice(0, 300) });
      this.counts[type] += 1;
      if (action.kind === 'replace' && type === 'unknown') {
        this.#giveUp(action.node);
        this.#unsure.add(action.node);
      }
      return type;
    }
  }

  /** Hosts whose enrolment did not come to its end try again, as an installer does, and no host is let off any more. */
  async finish(): Promise<void> {
    for (const node of [...this.#waiting]) {
      if (this.#unsure.delete(node)) await this.do({ kind: 'replace', node });
      await this.do({ kind: 'enrol', node });
    }
    for (const reason of [...this.#letOff]) await this.do({ kind: 'end-suspension', reason });
  }

  #giveUp(node: string): void {
    this.#kept.add(node);
    this.#givenUp.add(node);
  }

  /** Another one each time: what the next operation rests on, another control plane has answered. */
  #client(op: number): ControlPlane {
    const found = this.clients[op % this.clients.length];
    if (!found) throw new Error('there is no control plane');
    return found;
  }

  async #ask(action: Action, client: ControlPlane): Promise<number | undefined> {
    switch (action.kind) {
      case 'apply': {
        const body = policyYaml(action);
        const answer = await client.call<ApplyResponse>('/v1/apply', { method: 'POST', body });
        return answer.revision === undefined ? undefined : Number(answer.revision);
      }
      case 'delete':
        await client.call(`/v1/policies/${action.policy}`, { method: 'DELETE' });
        return undefined;
      case 'pause':
      case 'resume':
        await client.call(`/v1/policies/${action.policy}/${action.kind}`, { method: 'POST' });
        return undefined;
      case 'label': {
        const body = { labels: action.labels };
        await client.call(`/v1/nodes/${action.node}/labels`, { method: 'PATCH', body });
        return undefined;
      }
      case 'revoke':
        await client.call(`/v1/nodes/${action.node}/revoke`, { method: 'POST', body: {} });
        return undefined;
      case 'replace':
        await client.call(`/v1/nodes/${action.node}/replace`, { method: 'POST', body: {} });
        return undefined;
      case 'enrol':
        return this.#enrol(action.node, client);
      case 'suspend':
        await client.call('/v1/suspensions', { method: 'POST', body: suspensionOf(action) });
        return undefined;
      case 'end-suspension':
        return this.#endSuspension(action.reason, client);
    }
  }

  async #endSuspension(reason: string, client: ControlPlane): Promise<undefined> {
    const all = await client.all<SuspensionView>('/v1/suspensions');
    const found = all.find((each) => each.reason === reason);
    if (found === undefined) throw new Error('no break-glass has this reason');
    await client.call(`/v1/suspensions/${found.id}`, { method: 'DELETE' });
  }

  async #enrol(name: string, client: ControlPlane): Promise<undefined> {
    const host = this.hosts.get(name);
    if (this.#givenUp.delete(name)) await host?.renew();
    const what = this.#kept.has(name) ? { node: name } : { labels: { env: 'prod', tier: 'web' } };
    const body = { ...what, uses: 1, ttlMs: 600_000 };
    const { token = '' } = await client.call<JoinTokenView>('/v1/join-tokens', {
      method: 'POST',
      body,
    });
    await host?.enrol(token);
    if (host && !host.isRunning) await host.start();
  }
}

/** Refused for what it asks; after anything else it may have happened. */
function isRefusal(error: unknown): boolean {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 0;
  return status >= 400 && status < 500;
}

function suspensionOf({ target, mode, reason }: Extract<Action, { kind: 'suspend' }>) {
  const selector = (labels: Labels): string =>
    Object.entries(labels)
      .map((each) => each.join('='))
      .join();
  return {
    target: 'node' in target ? target : { selector: selector(target.labels) },
    until: new Date(Date.now() + LET_OFF_MS).toISOString(),
    ...{ mode, reason },
  };
}

function policyYaml({
  policy,
  marker,
  labels,
}: {
  policy: string;
  marker: string;
  labels: Labels;
}): string {
  return JSON.stringify({
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name: policy },
    spec: {
      nodeSelector: { matchLabels: labels },
      process: { matchPaths: [{ path: marker }] },
      action: 'Block',
    },
  });
}
