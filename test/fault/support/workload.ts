import type { ApplyResponse, JoinTokenView } from '#contracts';
import type { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import type { Action, History, Labels } from '../history.js';
import type { FaultedHost } from './faulted-host.js';

/** Does what a plan asks for through the CLI's clients in turn, one operation at a time, and writes down how each ended. */
export class Workload {
  readonly #waiting = new Set<string>();
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
    try {
      const revision = await this.#ask(action, this.#client(op));
      this.history.write({ type: 'ok', op, revision });
      this.counts.ok += 1;
      if (action.kind === 'enrol') this.#waiting.delete(action.node);
      return 'ok';
    } catch (error) {
      const type = isRefusal(error) ? 'fail' : 'unknown';
      this.history.write({ type, op, why: String(error).slice(0, 300) });
      this.counts[type] += 1;
      return type;
    }
  }

  /** Hosts whose enrolment did not come to its end try again, as an installer does. */
  async finish(): Promise<void> {
    for (const node of [...this.#waiting]) await this.do({ kind: 'enrol', node });
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
      case 'enrol':
        return this.#enrol(action.node, client);
    }
  }

  async #enrol(name: string, client: ControlPlane): Promise<undefined> {
    const body = { labels: { env: 'prod', tier: 'web' }, uses: 1, ttlMs: 600_000 };
    const { token = '' } = await client.call<JoinTokenView>('/v1/join-tokens', {
      method: 'POST',
      body,
    });
    const host = this.hosts.get(name);
    await host?.enrol(token);
    if (host && !host.isRunning) await host.start();
  }
}

/** Refused for what it asks; after anything else it may have happened. */
function isRefusal(error: unknown): boolean {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 0;
  return status >= 400 && status < 500;
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
