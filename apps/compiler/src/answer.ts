import { encodeMinimumVersions, withDocuments } from '#bundle';
import type { Compilation } from '#policy-compiler';
import { overridesProtection, type RuleSet, untilOf, VISIBILITY_CLASSES } from '#policy-model';
import { bytesField, type Field, numberField, TAG, textField } from '#sensor';
import type { Compiled } from './compile-policies.js';
import type { OwnersWord } from './veto.js';
import type { VerifiedRequest } from './verify-request.js';

/** What the sensor takes of a reason; longer ones are cut. */
const MAX_REASON_BYTES = 500;
/** Mirror of HW_LINKS_BYTES_MAX in libs/sensor/native/src/links.h; each path and target is shorter than PATH_MAX. */
const MAX_LINKS_BYTES = 256 << 10;
const MAX_LINK_BYTES = 4096;

/** What the owner decided about this host, and which enforcer came of it. */
interface HostsWord {
  readonly onOpenDescriptors: OwnersWord['onOpenDescriptors'];
  readonly enforcerReason: string | undefined;
  /** As the compilation found them. */
  readonly links: readonly (readonly [path: string, target: string])[];
}

/** What a verified assignment says whatever becomes of its rules: its place in the order, and whether the host is suspended. */
export function wordFields(assignment: VerifiedRequest['assignment']): readonly Field[] {
  return [
    numberField(TAG.EPOCH, BigInt(assignment.epoch)),
    numberField(TAG.GENERATION, BigInt(assignment.generation)),
    numberField(TAG.ISSUED_AT, assignment.issuedAt),
    ...suspensionFields(assignment),
  ];
}

/** Fields of a COMPILED frame. */
export function compiledFields(
  { assignment, root, minimumVersions, policies, nowMs }: VerifiedRequest,
  ruleSet: RuleSet,
  { compilation, binaries, effect, dropIns }: Compiled,
  { onOpenDescriptors, enforcerReason, links }: HostsWord,
): readonly Field[] {
  const { report } = compilation;
  const told = { ...report, enforcerReason, policies: withDocuments(report.policies, policies) };
  return [
    ...wordFields(assignment),
    numberField(TAG.EXPIRES_AT, assignment.expiresAt),
    textField(TAG.DIGEST, assignment.bundleDigest),
    textField(TAG.REPORT, JSON.stringify(told)),
    ...compilation.profiles.map(({ name }) => textField(TAG.PROFILE_NAME, name)),
    bytesField(TAG.ENFORCE, binaries.enforce),
    bytesField(TAG.AUDIT, binaries.audit),
    bytesField(TAG.OPEN, binaries.open),
    textField(TAG.TEXT, compilation.texts.enforce),
    ...probeFields(compilation),
    ...tableFields(compilation),
    ...(compilation.devices === undefined ? [] : [textField(TAG.DEVICES, compilation.devices)]),
    ...(onOpenDescriptors === 'kill' ? [numberField(TAG.KILL_HOLDERS, 1)] : []),
    ...visibilityField(assignment),
    ...overridesField(ruleSet),
    ...validUntilField(ruleSet, nowMs),
    // Also what is kept already: the sensor compares, and the same delivery gives the same answer again.
    textField(TAG.ROOT, JSON.stringify(root.signed)),
    ...(minimumVersions === undefined
      ? []
      : [bytesField(TAG.MINIMUM_VERSIONS, encodeMinimumVersions(minimumVersions))]),
    ...linksField(links),
    ...(effect.length > 0 ? [bytesField(TAG.EFFECT, effect)] : []),
    ...dropIns.map(({ unit, content }) => textField(TAG.DROPIN, `${unit}\0${content}`)),
  ];
}

/** What the sensor compares with what it finds, to have all compiled anew. Those that there is no room for are left out. */
function linksField(links: HostsWord['links']): readonly Field[] {
  const parts: Buffer[] = [];
  let room = MAX_LINKS_BYTES;
  for (const [path, target] of links) {
    const part = Buffer.from(`${path}\0${target}\0`);
    if (part.length > MAX_LINK_BYTES || (room -= part.length) < 0) continue;
    parts.push(part);
  }
  return parts.length === 0 ? [] : [bytesField(TAG.LINKS, Buffer.concat(parts))];
}

/** The rule is named `POLICY/RULE`, as the agent reads it (rule-status.ts). */
function probeFields({ probes }: Compilation): readonly Field[] {
  return probes.map(({ kind, rule, profile, path }) =>
    textField(TAG.PROBE, [kind, `${rule.policy}/${rule.id}`, profile, path].join('\0')),
  );
}

function tableFields({ table }: Compilation): readonly Field[] {
  if (table === undefined) return [];
  return [
    bytesField(TAG.TABLE, table.blob),
    ...table.subjects.map((name) => textField(TAG.SUBJECT_NAME, name)),
  ];
}

function suspensionFields({ suspension }: VerifiedRequest['assignment']): readonly Field[] {
  if (suspension === undefined) return [];
  return [
    textField(TAG.SUSPEND_MODE, suspension.mode),
    numberField(TAG.SUSPEND_UNTIL, suspension.until),
    textField(TAG.SUSPEND_REASON, cut(suspension.reason.replaceAll('\0', ' '))),
  ];
}

/** A bit for each class, in their order. */
function visibilityField({ visibility = [] }: VerifiedRequest['assignment']): readonly Field[] {
  const bits = visibility.map((each) => 1 << VISIBILITY_CLASSES.indexOf(each));
  const mask = bits.reduce((sum, bit) => sum | bit, 0);
  return mask === 0 ? [] : [numberField(TAG.VISIBILITY, mask)];
}

/** With an override in force the sensor asks for a stronger proof that the agent still gets through (D11). */
function overridesField({ policies }: RuleSet): readonly Field[] {
  const count = policies.filter(({ document }) => overridesProtection(document)).length;
  return count === 0 ? [] : [numberField(TAG.OVERRIDES, count)];
}

/** When an exception ends the host compiles anew, whoever is away. */
function validUntilField({ policies }: RuleSet, nowMs: number): readonly Field[] {
  const ends = policies
    .flatMap(({ document }) => untilOf(document) ?? [])
    .filter((at) => at > nowMs);
  return ends.length === 0 ? [] : [numberField(TAG.VALID_UNTIL, Math.min(...ends))];
}

/** Whole characters only. */
function cut(text: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_REASON_BYTES) break;
    end += character.length;
  }
  return text.slice(0, end);
}
