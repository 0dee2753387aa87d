import { describe, expect, it } from '@jest/globals';
import type { HostPolicySpec } from '#policy-model';
import { attribute } from './attribute.js';
import { compileRuleSet } from './compile.js';
import { debian, policy, ruleSet } from './fixtures/rule-sets.js';
import type { HostCapabilities } from './plan/types.js';

type Action = 'Allow' | 'Audit' | 'Block';
type DeviceMatch = NonNullable<NonNullable<HostPolicySpec['device']>['matchDevice']>[number];

const rules = (name: string, action: Action, matchDevice: readonly DeviceMatch[], marks = {}) =>
  policy(name, { device: { matchDevice }, action }, marks);

const compiled = (...policies: readonly ReturnType<typeof policy>[]) =>
  compileRuleSet(ruleSet(...policies), debian());

const plansOf = (name: string, matchDevice: readonly DeviceMatch[]) =>
  compiled(rules(name, 'Block', matchDevice)).report.policies[0]?.rules.map(({ plan }) => plan);

describe('rules about USB devices', () => {
  it('become a line each, ranked by what they name, as KubeArmor counts it', () => {
    const { devices } = compiled(
      rules('usb', 'Block', [
        { class: 'MASS-STORAGE', subClass: 6, protocol: 80, level: 2 },
        { class: '0x3', subClass: 1 },
        { class: '8' },
        { class: 'all' },
      ]),
    );
    expect(devices).toBe(
      [
        'block 211 0 8 6 80 2 control-path',
        'block 110 1 3 1 - - control-path',
        'block 100 2 8 - - - control-path',
        'block 0 3 - - - - control-path',
        '',
      ].join('\n'),
    );
  });

  it.each<[string, Partial<HostCapabilities>]>([
    ['AppArmor', {}],
    ['BPF', { bpf: true }],
  ])('are in force where %s enforces, and touch nothing of it', (_name, host) => {
    const storage = rules('usb', 'Block', [{ class: 'MASS-STORAGE' }]);
    const compilation = compileRuleSet(ruleSet(storage), debian(host));
    const without = compileRuleSet(ruleSet(), debian(host));
    expect(compilation.report.policies[0]?.rules).toEqual([
      { id: 'device/matchDevice/0', plan: 'enforce', class: 'device' },
    ]);
    expect(compilation.devices).toContain('block 100 0 8');
    expect(compilation.texts).toEqual(without.texts);
    expect(compilation.table?.blob).toEqual(without.table?.blob);
    expect(without.devices).toBeUndefined();
  });

  it('make a list by an Allow, which blocks under the strictest posture that a policy asks for', () => {
    const keys = rules('a-keys', 'Allow', [{ class: 'HID' }]);
    const mice = rules('b-mice', 'Allow', [{ class: 'HID', subClass: 1 }], {
      'hostward.io/posture': 'block',
    });
    expect(compiled(keys).devices).toMatch(/^unlisted-audit 0 0 - - - - control-path$/m);
    expect(compiled(keys, mice).devices).toMatch(/^unlisted-block 0 1 - - - - control-path$/m);
    expect(compiled(keys).report.policies[0]?.rules[0]?.plan).toBe('audit');
  });

  it('of a higher tier outrank what is more specific, and an exception makes no list', () => {
    const exception = rules('x', 'Allow', [{ class: 'MASS-STORAGE' }], {
      'hostward.io/tier': 'exception',
      'hostward.io/until': '2100-01-01T00:00:00Z',
    });
    const { devices = '' } = compiled(
      rules('usb', 'Block', [{ class: '8', subClass: 6, protocol: 80, level: 1 }]),
      exception,
    );
    const ranks = devices.split('\n').map((line) => Number(line.split(' ')[1]));
    expect(ranks[1]).toBeGreaterThan(ranks[0] ?? Infinity);
    expect(devices).not.toContain('unlisted');
  });

  it('spare nothing where the policy overrides the protection', () => {
    const override = { 'hostward.io/override-protection': 'true' };
    expect(compiled(rules('usb', 'Block', [{ class: '8' }], override)).devices).toBe(
      'block 100 0 8 - - - nothing\n',
    );
  });

  it('that no device can meet are unsupported, with the reason', () => {
    const impossible: readonly DeviceMatch[] = [
      { class: 'FLOPPY' },
      { class: '256' },
      { class: '0x100' },
      { class: '0' },
      { class: '-8' },
      { class: '8', subClass: 256 },
      { class: '8', protocol: -1 },
      { class: '8', level: 7 },
    ];
    const { report, devices } = compiled(rules('usb', 'Block', impossible));
    expect(new Set(plansOf('usb', impossible))).toEqual(new Set(['unsupported']));
    expect(report.policies[0]?.rules.every(({ reason }) => Boolean(reason))).toBe(true);
    expect(devices).toBeUndefined();
  });

  it('are named by what the sensor judged by; an Allow for the list that it made', () => {
    const { report } = compiled(
      rules('a-keys', 'Allow', [{ class: 'HID' }], { 'hostward.io/posture': 'block' }),
      rules('b-sticks', 'Block', [{ class: 'MASS-STORAGE' }]),
    );
    const denied = { operation: 'usb', denied: 'use' };
    expect(attribute(report.attribution, { ...denied, rule: 1 })?.policy).toBe('b-sticks');
    expect(attribute(report.attribution, { ...denied, rule: 0 })).toMatchObject({
      policy: 'DefaultPosture',
      rule: 'device: not listed by a-keys device/matchDevice/0',
      action: 'Block',
    });
    expect(attribute(report.attribution, { operation: 'usb', rule: 0 })?.action).toBe('Audit');
    expect(attribute(report.attribution, denied)).toBeUndefined();
  });
});
