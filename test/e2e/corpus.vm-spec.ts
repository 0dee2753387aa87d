import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RuleStatus } from '#contracts';
import type { Vm } from '#testing';
import { eventually } from './support/eventually.js';
import { Fleet } from './support/fleet.js';
import { isAllowed } from './support/guest.js';
import { projectRoot } from './support/product.js';

const MINUTES = 60_000;
const WANTED = 30;
const corpus = join(projectRoot, '..', 'shared', 'data', 'policy-templates');
const there = existsSync(corpus);
const WAITING = ['pending', 'delivered', 'unknown'];

/** Suite f: 30 policies written by strangers at once on one real host. */
(there ? describe : describe.skip)(
  `the public corpus on a real host${there ? '' : ' (skipped: ../shared/data/policy-templates is absent)'}`,
  () => {
    let fleet: Fleet;
    let web1: Vm;
    const taken: string[] = [];

    beforeAll(async () => {
      fleet = await Fleet.start();
      web1 = await fleet.host('web1', 'env=prod');
    }, 10 * MINUTES);
    afterAll(() => fleet?.close());

    it(
      'takes 30 of its policies, each refusal being one of protection with the rule named',
      async () => {
        for (const name of (await readdir(corpus)).sort()) {
          if (taken.length === WANTED) break;
          const args = ['apply', '-f', join(corpus, name), '--selector', 'env=prod', '-o', 'json'];
          const { code, stdout, stderr } = await fleet.product.cli(args);
          if (code !== 0) {
            expect(stderr).toMatch(/override-protection/);
            continue;
          }
          const { documents } = JSON.parse(stdout) as { documents: { name: string }[] };
          taken.push(...documents.map((document) => document.name));
        }
        expect(taken.length).toBeGreaterThanOrEqual(WANTED);
      },
      8 * MINUTES,
    );

    it(
      'says for each rule of each policy what this host does with it',
      async () => {
        // Their selectors are strangers' labels: the host takes them on. Of policies that want one label to differ the last
        // selects it: 11 of 30 do.
        for (const policy of taken) {
          const view = JSON.parse(
            (await fleet.product.must(['get', 'policies', policy, '-o', 'json'])).stdout,
          ) as {
            document: { spec: { nodeSelector: { matchLabels?: Record<string, string> } } };
          };
          const labels = Object.entries(view.document.spec.nodeSelector.matchLabels ?? {}).filter(
            ([key]) => !key.startsWith('kubearmor.io/'),
          );
          if (labels.length > 0)
            await fleet.product.must([
              'label',
              'node',
              'web1',
              ...labels.map(([key, value]) => `${key}=${value}`),
            ]);
        }
        const settled = await eventually('all rules have a state', 3 * MINUTES, async () => {
          const { policies } = await fleet.product.nodeStatus('web1');
          const all = policies.filter(({ policy }) => taken.includes(policy));
          const waiting = all
            .flatMap(({ rules }) => rules)
            .filter((rule) => WAITING.includes(rule.state) && !namesDirectory(rule));
          return waiting.length === 0 && all;
        });
        const rules = settled.flatMap(({ policy, rules: its }) =>
          its.map((rule) => ({ policy, ...rule })),
        );
        expect(rules.length).toBeGreaterThan(WANTED);
        expect(rules.filter((rule) => rule.state === 'failed')).toEqual([]);
        // These stay, since who makes a file of that name must not end a rule by it.
        expect(rules.filter(namesDirectory).map(({ id }) => id)).toEqual([
          'file/matchPaths/2',
          'file/matchPaths/5',
        ]);
        expect(
          rules.filter((rule) => ['unsupported', 'refused'].includes(rule.state) && !rule.reason),
        ).toEqual([]);
        expect(rules.filter((rule) => rule.state === 'enforced').length).toBeGreaterThan(
          WANTED / 3,
        );
      },
      8 * MINUTES,
    );

    it(
      'still boots and lets its operator log in',
      async () => {
        await web1.reboot();
        const { state } = await web1.waitBooted();
        expect(['running', 'degraded']).toContain(state);
        expect(await isAllowed(web1, 'id && ls / && systemctl is-active ssh')).toBe(true);
        await eventually('the agent reports again', 2 * MINUTES, async () =>
          (await fleet.product.cli(['status', 'node', 'web1'])).stdout.includes(': connected'),
        );
      },
      8 * MINUTES,
    );
  },
);

/** A rule of a file in whose place the host has a directory: it is there, and is not said to be in force. */
function namesDirectory({ state, reason }: RuleStatus): boolean {
  return state === 'delivered' && /^it names \S+, a directory, which/.test(reason ?? '');
}
