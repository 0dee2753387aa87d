/** One value of a text becomes one document: bounds first, then its kind decides who reads it. */
import { isRecord } from './check-field.js';
import { checkGroup, checkVirtualMachine } from './check-own-kind.js';
import { checkPolicy } from './check-policy.js';
import { checkStrings } from './check-strings.js';
import type { Finding, Path } from './finding.js';
import { Findings, TooManyErrors } from './findings.js';
import type { Document } from './kinds.js';
import type { ParseOptions } from './parse-options.js';

export interface CheckedDocument {
  readonly kind: string;
  readonly name: string;
  /** Absent if there is an error among the findings. */
  readonly document?: Document;
  readonly findings: readonly Finding[];
}

type Fields = Readonly<Record<string, unknown>>;

const REMEDIES: Readonly<Record<string, string>> = {
  KubeArmorPolicy: 'it is for containers; write a KubeArmorHostPolicy for the host',
  KubeArmorClusterPolicy: 'it is for containers; write a KubeArmorHostPolicy for the host',
  KubeArmorNetworkPolicy: 'network policies are not taken yet',
};

/** Validates any value as a document. Never throws, whatever the value. */
export function checkDocument(value: unknown, options: ParseOptions): CheckedDocument {
  const findings = new Findings();
  const document = guarded(value, options, findings);
  const accepted = findings.hasErrors ? undefined : document;
  const { kind, name } = headOf(value);
  return {
    kind,
    name: accepted?.metadata.name ?? name,
    document: accepted,
    findings: findings.list(),
  };
}

function guarded(value: unknown, options: ParseOptions, findings: Findings): Document | undefined {
  try {
    return checkStrings(value, findings.report) ? byKind(value, options, findings) : undefined;
  } catch (error) {
    if (error instanceof TooManyErrors) return undefined;
    throw error;
  }
}

function byKind(value: unknown, options: ParseOptions, findings: Findings): Document | undefined {
  if (!isRecord(value))
    return refuseKind(
      [],
      value,
      'a document is a map with apiVersion, kind and metadata',
      findings,
    );
  if (findings.hasErrors) return undefined;
  const mode = options.mode ?? 'lenient';
  switch (kindOf(value)) {
    case 'KubeArmorHostPolicy':
      return checkPolicy(value, options, findings);
    case 'KubeArmorVirtualMachine':
      return checkVirtualMachine(value, mode, findings);
    case 'Group':
      return checkGroup(value, mode, findings);
    default:
      return refuseKind(['kind'], value['kind'], 'there is no such kind', findings);
  }
}

const VERSIONS: Readonly<Record<string, string>> = {
  KubeArmorHostPolicy: 'security.kubearmor.com/v1',
  KubeArmorVirtualMachine: 'security.kubearmor.com/v1',
  Group: 'hostward.io/v1',
};

/** The kind if its apiVersion fits; a missing apiVersion is judged by the kind's own check. */
function kindOf(value: Fields): string {
  const { kind, apiVersion } = value;
  if (typeof kind !== 'string' || !Object.hasOwn(VERSIONS, kind)) return '';
  const absent = apiVersion === undefined || apiVersion === null;
  return absent || apiVersion === VERSIONS[kind] ? kind : '';
}

function refuseKind(path: Path, value: unknown, message: string, findings: Findings): undefined {
  const known = Object.entries(VERSIONS).map(([kind, version]) => `${kind} (${version})`);
  const special =
    typeof value === 'string' && Object.hasOwn(REMEDIES, value) ? REMEDIES[value] : undefined;
  findings.report({
    severity: 'error',
    path,
    value,
    rule: 'unsupported-kind',
    message,
    remedy: special ?? `known: ${known.join(', ')}`,
  });
}

/** Kind and name as far as they can be read, for messages. */
export function headOf(value: unknown): { readonly kind: string; readonly name: string } {
  if (!isRecord(value)) return { kind: '', name: '' };
  const { kind, metadata } = value;
  const name = isRecord(metadata) ? metadata['name'] : undefined;
  return { kind: shortText(kind), name: shortText(name) };
}

function shortText(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 253) : '';
}
