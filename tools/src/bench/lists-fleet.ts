import type { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';

/** How many hosts and policies there are. */
export interface FleetSize {
  readonly nodes: number;
  readonly policies: number;
}

/** Documents of one apply. */
const AT_ONCE = 500;
/** Values of the label by which policies select hosts. */
const TIERS = 100;

/** Labels of the n-th host. */
export function labelsOf(n: number): Readonly<Record<string, string>> {
  return { fleet: 'bench', tier: `t${n % TIERS}`, serial: String(n) };
}

/** Declares hosts and applies policies, until there are as many as wanted. */
export class ListsFleet {
  #size: FleetSize = { nodes: 0, policies: 0 };

  constructor(
    private readonly controlPlane: ControlPlane,
    private readonly signal: AbortSignal,
  ) {}

  async growTo(size: FleetSize): Promise<void> {
    const { nodes, policies } = this.#size;
    if (nodes === 0) await this.#apply([policyText('all', { fleet: 'bench' })]);
    await this.#apply(numbers(nodes, size.nodes).map(nodeText));
    await this.#apply(
      numbers(policies, size.policies).map((n) =>
        policyText(`policy-${padded(n)}`, { tier: `t${n % TIERS}` }),
      ),
    );
    this.#size = size;
  }

  async #apply(documents: readonly string[]): Promise<void> {
    for (let at = 0; at < documents.length; at += AT_ONCE) {
      this.signal.throwIfAborted();
      const body = documents.slice(at, at + AT_ONCE).join('---\n');
      await this.controlPlane.call('/v1/apply', { method: 'POST', body });
    }
  }
}

function numbers(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, n) => from + n);
}

function padded(n: number): string {
  return String(n).padStart(5, '0');
}

function nodeText(n: number): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorVirtualMachine
metadata:
  name: host-${padded(n)}
  labels: ${JSON.stringify(labelsOf(n))}
`;
}

function policyText(name: string, labels: Readonly<Record<string, string>>): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: ${name}
spec:
  nodeSelector:
    matchLabels: ${JSON.stringify(labels)}
  process:
    matchPaths:
      - path: /opt/bench/${name}
  action: Block
`;
}
