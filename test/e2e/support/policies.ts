/** A policy that blocks one program for the hosts with these labels. */
export function blockProgram(
  name: string,
  path: string,
  labels: Record<string, string>,
  annotations = '',
): string {
  const selector = Object.entries(labels).map(([key, value]) => `      ${key}: '${value}'`);
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: ${name}
${annotations}spec:
  nodeSelector:
    matchLabels:
${selector.join('\n')}
  severity: 5
  message: ${name} says no
  process:
    matchPaths:
      - path: ${path}
  action: Block
`;
}

/** A policy that blocks one file, for one program where `source` is given. */
export function blockFile(
  name: string,
  path: string,
  labels: Record<string, string>,
  source?: string,
): string {
  const selector = Object.entries(labels).map(([key, value]) => `      ${key}: '${value}'`);
  const from = source === undefined ? '' : `        fromSource:\n          - path: ${source}\n`;
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: ${name}
spec:
  nodeSelector:
    matchLabels:
${selector.join('\n')}
  severity: 7
  file:
    matchPaths:
      - path: ${path}
${from}  action: Block
`;
}

/** A policy under which the hosts with these labels start what is below these folders, and no other program. */
export function allowOnly(
  name: string,
  folders: readonly string[],
  labels: Record<string, string>,
): string {
  return JSON.stringify({
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name, annotations: { 'hostward.io/posture': 'block' } },
    spec: {
      nodeSelector: { matchLabels: labels },
      process: { matchDirectories: folders.map((dir) => ({ dir, recursive: true })) },
      action: 'Allow',
    },
  });
}
