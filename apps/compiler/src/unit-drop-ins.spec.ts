import { describe, expect, it } from '@jest/globals';
import {
  BLOCKED_PROFILE,
  compileRuleSet,
  GENERIC_DEBIAN,
  type HostCapabilities,
} from '#policy-compiler';
import type { HostPolicy } from '#policy-model';
import { withDropIns } from './unit-drop-ins.js';
import type { Unit } from './units.js';

const CAPABILITIES: HostCapabilities = {
  ...{ apparmor: { parser: '4.1.0', priority: true }, lsm: ['apparmor'], loadedNames: [] },
  resolve: GENERIC_DEBIAN.resolve,
};
const BLOCK: HostPolicy = {
  apiVersion: 'security.kubearmor.com/v1',
  kind: 'KubeArmorHostPolicy',
  metadata: { name: 'p' },
  spec: {
    nodeSelector: { matchLabels: { a: 'b' } },
    process: { matchPaths: [{ path: '/usr/bin/curl' }, { path: '/usr/bin/nc' }] },
  },
};

const jobs = (count: number, program: string): readonly Unit[] =>
  Array.from({ length: count }, (_, at) => ({
    ...{ unit: `job-${at}.service`, programs: [program], needed: [program] },
  }));
const stacked = (count: number): readonly Unit[] =>
  Array.from({ length: count }, (_, at) => ({
    ...{ unit: `a-${at}.service`, profile: 'own', programs: ['/usr/bin/own'], needed: [] },
  }));

function made(units: readonly Unit[]) {
  const policies = [{ document: BLOCK, revision: '1' }];
  const compilation = compileRuleSet({ policies }, CAPABILITIES);
  const { dropIns, compilation: told } = withDropIns(
    { compilation },
    { units, capabilities: CAPABILITIES },
  );
  return {
    dropIns,
    kept: dropIns.filter(({ content }) => content.includes(BLOCKED_PROFILE)).length,
    plans: told.report.policies[0]?.rules.map(({ plan }) => plan),
    reasons: told.report.policies[0]?.rules.map(({ reason }) => reason),
  };
}

describe('a unit that is closed to the compiler', () => {
  it('is named beside each rule about programs, since it may start what the rule forbids', () => {
    const units = jobs(3, '/usr/bin/curl').map((unit, at) =>
      at === 0 ? unit : { ...unit, hidden: `/etc/systemd/system/job-${at}.service` },
    );
    const { plans, reasons } = made(units);
    expect(plans).toEqual(['enforce', 'enforce']);
    const named = /not let to read \/etc\/systemd\/system\/job-1\.service, and 1 more /;
    expect(reasons).toEqual([expect.stringMatching(named), expect.stringMatching(named)]);
    expect(made(jobs(1, '/usr/bin/curl')).reasons).toEqual([undefined, undefined]);
  });
});

describe('drop-ins of more units than there is room for', () => {
  it('are first of all those that keep a unit from starting what a rule forbids', () => {
    const { dropIns, kept, plans } = made([...stacked(600), ...jobs(100, '/usr/bin/curl')]);
    expect([dropIns.length, kept]).toEqual([512, 100]);
    expect(plans).toEqual(['enforce', 'enforce']);
  });

  it('have the rule fail of which one is missing, and no other', () => {
    const { kept, plans, reasons } = made(jobs(600, '/usr/bin/curl'));
    expect(kept).toBe(512);
    expect(plans).toEqual(['failed', 'enforce']);
    expect(reasons).toEqual([expect.stringMatching(/^more than 512 services/), undefined]);
  });

  it('are all of them up to that number', () => {
    expect(made(jobs(512, '/usr/bin/curl'))).toMatchObject({
      kept: 512,
      plans: ['enforce', 'enforce'],
    });
  });
});
