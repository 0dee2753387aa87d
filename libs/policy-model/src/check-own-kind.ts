/** Group and KubeArmorVirtualMachine: normalised, then held against their DTO, then against what targeting demands. */
import { checkDto } from './check-dto.js';
import { checkField, isRecord, type Place } from './check-field.js';
import { correctName } from './check-name.js';
import { checkSelector, isEmptySelector } from './check-selector.js';
import { GroupDto, VirtualMachineDto } from './documents.dto.js';
import type { Findings } from './findings.js';
import type { Group, VirtualMachine } from './kinds.js';
import { MARK_PREFIX, machineMarks, selectorMarks, sshHostKeyOf } from './marks.js';
import { isNodeLabel } from './node-label.js';
import type { Mode } from './parse-options.js';
import { hostPolicySchema } from './schema.js';
import { visibilityFault } from './visibility.js';

type Fields = Readonly<Record<string, unknown>>;

/** The group as it will be stored, or undefined with errors reported. */
export function checkGroup(value: Fields, mode: Mode, findings: Findings): Group | undefined {
  const group = normalised(value, mode, findings);
  if (!checkDto(GroupDto, group, findings.report) || findings.hasErrors) return undefined;
  const { selector } = asGroup(group).spec;
  checkSelector(selector, { path: ['spec', 'selector'], report: findings.report, inGroup: true });
  if (isEmptySelector(selector)) {
    findings.report({
      severity: 'error',
      path: ['spec', 'selector'],
      rule: 'empty-selector',
      message: 'an empty selector selects no host',
      remedy: `name labels; for every host write matchLabels: {${selectorMarks.allHosts}: "true"}`,
    });
  }
  return findings.hasErrors ? undefined : asGroup(group);
}

/** The virtual machine as it will be stored, or undefined with errors reported. */
export function checkVirtualMachine(
  value: Fields,
  mode: Mode,
  findings: Findings,
): VirtualMachine | undefined {
  const machine = normalised(value, mode, findings);
  if (!checkDto(VirtualMachineDto, machine, findings.report)) return undefined;
  checkNodeLabels(asVirtualMachine(machine).metadata.labels ?? {}, findings);
  checkMachineMarks(asVirtualMachine(machine), findings);
  return findings.hasErrors ? undefined : asVirtualMachine(machine);
}

function checkNodeLabels(labels: Readonly<Record<string, string>>, findings: Findings): void {
  for (const [key, value] of Object.entries(labels)) {
    if (isNodeLabel(key, value)) continue;
    findings.report({
      severity: 'error',
      path: ['metadata', 'labels', key],
      value,
      rule: 'bad-label',
      message: 'this cannot be a label of a node',
      remedy:
        visibilityFault(key, value) ??
        'write key and value as in Kubernetes; hostward.io/… and kubearmor.io/hostname… are no labels',
    });
  }
}

/** A key that is misspelt would leave a host without the proof that its operator believes in. */
function checkMachineMarks(machine: VirtualMachine, findings: Findings): void {
  for (const [key, value] of Object.entries(machine.metadata.annotations ?? {})) {
    if (!key.startsWith(MARK_PREFIX)) continue;
    if (key === machineMarks.sshHostKey && sshHostKeyOf(machine) !== undefined) continue;
    findings.report({
      severity: 'error',
      path: ['metadata', 'annotations', key],
      value,
      rule: 'bad-mark',
      message: 'this is no mark of a host, or not its value',
      remedy: `write ${machineMarks.sshHostKey}: with the line of /etc/ssh/ssh_host_ed25519_key.pub`,
    });
  }
}

/** Validated by GroupDto. */
function asGroup(value: Fields): Group {
  return value as unknown as Group;
}

/** Validated by VirtualMachineDto; `spec` and `status` can only be empty and are left out. */
function asVirtualMachine({ apiVersion, kind, metadata }: Fields): VirtualMachine {
  return { apiVersion, kind, metadata } as unknown as VirtualMachine;
}

/** Metadata as for policies: server-made fields left out, label values made text, the name corrected. */
function normalised(value: Fields, mode: Mode, findings: Findings): Fields {
  const written = Object.entries(value).filter(([, content]) => content !== null);
  const fields = Object.fromEntries(written);
  if (!isRecord(fields['metadata'])) return fields;
  const metadata = checkMetadata(fields['metadata'], {
    path: ['metadata'],
    mode,
    report: findings.report,
  });
  return { ...fields, metadata };
}

function checkMetadata(value: Fields, place: Place): unknown {
  const { metadata: schema } = hostPolicySchema.fields;
  const metadata = schema === undefined ? value : checkField(schema, value, place);
  if (!isRecord(metadata) || typeof metadata['name'] !== 'string') return metadata;
  const path = [...place.path, 'name'];
  return { ...metadata, name: correctName(metadata['name'], { ...place, path }) };
}
