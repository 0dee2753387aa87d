import type { Rule } from '#policy-model';
import { type DraftRule, isLive } from './draft-rule.js';
import { tierRank } from '../resolve/precedence.js';

/** Codes of usb.org by the names that KubeArmor gives them. */
const CLASSES: Readonly<Record<string, number>> = {
  AUDIO: 0x01,
  'COMMUNICATION-CDC': 0x02,
  HID: 0x03,
  PHYSICAL: 0x05,
  IMAGE: 0x06,
  PRINTER: 0x07,
  'MASS-STORAGE': 0x08,
  HUB: 0x09,
  'CDC-DATA': 0x0a,
  'SMART-CARD': 0x0b,
  'CONTENT-SECURITY': 0x0d,
  VIDEO: 0x0e,
  'PERSONAL-HEALTHCARE': 0x0f,
  'AUDIO/VIDEO': 0x10,
  BILLBOARD: 0x11,
  'TYPE-C-BRIDGE': 0x12,
  'BULK-DISPLAY': 0x13,
  MCTP: 0x14,
  I3C: 0x3c,
  DIAGNOSTIC: 0xdc,
  'WIRELESS-CONTROLLER': 0xe0,
  MISCELLANEOUS: 0xef,
  'APPLICATION-SPECIFIC': 0xfe,
  'VENDOR-SPECIFIC': 0xff,
};

/** The name of a class, for people. */
export function usbClassName(code: number): string {
  const [name] = Object.entries(CLASSES).find(([, value]) => value === code) ?? [];
  return name ?? `class ${code}`;
}

/** A port of the host is level 1, and USB has at most five hubs in a row. */
const MAX_LEVEL = 6;
const MAX_RULES = 1024;
const TOO_MANY = `more than ${MAX_RULES} rules about devices`;

type DeviceObject = Extract<Rule['object'], { readonly kind: 'device' }>;

/** What a rule asks of a device; undefined: anything. */
interface Pattern {
  readonly class: number | undefined;
  readonly subClass: number | undefined;
  readonly protocol: number | undefined;
  readonly level: number | undefined;
}

/** What a rule asks of a device, or why no device can be like that. */
export function devicePattern(object: DeviceObject): Pattern | { readonly problem: string } {
  const { subClass, protocol, level } = object;
  const code = classCode(object.class);
  if (code === undefined)
    return { problem: `USB class ${JSON.stringify(object.class)} is not known` };
  if (code === 0)
    return { problem: 'USB class 0 only says that each interface of the device has its own' };
  if (!isByte(subClass)) return { problem: `subClass ${subClass} is not between 0 and 255` };
  if (!isByte(protocol)) return { problem: `protocol ${protocol} is not between 0 and 255` };
  if (level !== undefined && level > MAX_LEVEL)
    return { problem: `level ${level} is deeper than USB goes (${MAX_LEVEL})` };
  return { class: code === 'ALL' ? undefined : code, subClass, protocol, level };
}

function classCode(written: string): number | 'ALL' | undefined {
  const name = written.trim().toUpperCase();
  if (name === 'ALL') return 'ALL';
  if (Object.hasOwn(CLASSES, name)) return CLASSES[name];
  const code = /^(\d{1,3}|0X[0-9A-F]{1,2})$/.test(name) ? Number(name.toLowerCase()) : NaN;
  return code <= 0xff ? code : undefined;
}

function isByte(value: number | undefined): boolean {
  return value === undefined || (value >= 0 && value <= 0xff);
}

/** KubeArmor's specificity, under the tiers of ours. */
function rankOf(rule: Rule, pattern: Pattern): number {
  const weigh = (value: number | undefined, weight: number): number =>
    value === undefined ? 0 : weight;
  return (
    tierRank(rule) +
    weigh(pattern.class, 100) +
    weigh(pattern.subClass, 10) +
    weigh(pattern.protocol, 1) +
    weigh(pattern.level, 100)
  );
}

const VERBS = { Block: 'block', Audit: 'audit', Allow: 'allow' } as const;

/**
 * What the sensor judges USB devices by (docs/reference/protocol/sensor.md), undefined where no rule speaks of them:
 * `ACTION RANK RULE CLASS SUBCLASS PROTOCOL LEVEL SPARE`, a line each, and the list that Allow rules make, last.
 */
export function deviceTable(rules: readonly DraftRule[]): string | undefined {
  const live = rules.filter((rule) => rule.class === 'device' && isLive(rule));
  for (const surplus of live.slice(MAX_RULES)) {
    Object.assign(surplus, { plan: 'unsupported', reason: TOO_MANY });
  }
  const lines = live.slice(0, MAX_RULES).flatMap(ruleLine);
  const list = listOf(live.slice(0, MAX_RULES));
  if (list !== undefined)
    lines.push(`unlisted-${list.posture} 0 ${list.index} - - - - ${spareOf(list)}`);
  return lines.length === 0 ? undefined : lines.map((line) => `${line}\n`).join('');
}

function ruleLine(drafted: DraftRule): readonly string[] {
  const { rule, index } = drafted;
  const pattern = rule.object.kind === 'device' ? devicePattern(rule.object) : undefined;
  if (pattern === undefined || 'problem' in pattern) return [];
  const asked = [pattern.class, pattern.subClass, pattern.protocol, pattern.level];
  const words = asked.map((value) => value ?? '-').join(' ');
  return [`${VERBS[rule.action]} ${rankOf(rule, pattern)} ${index} ${words} ${spareOf(drafted)}`];
}

/** Whether what keeps a host reachable is spared. */
function spareOf({ overridesProtection }: DraftRule): string {
  return overridesProtection ? 'nothing' : 'control-path';
}

/** The first Allow that made devices a list; one that blocks what it does not list goes first. */
function listOf(live: readonly DraftRule[]): DraftRule | undefined {
  const allows = live.filter(
    ({ rule, exempted }) =>
      rule.action === 'Allow' && rule.tier === 'normal' && exempted === undefined,
  );
  return allows.find(({ posture }) => posture === 'block') ?? allows[0];
}
