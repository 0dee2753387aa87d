import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type HostPolicy, parseDocuments, type RuleSet } from '#policy-model';
import { AppArmorParser, golden } from '#testing';
import { compileRuleSet } from './compile.js';
import { debian } from './fixtures/rule-sets.js';

const CORPUS = join(process.cwd(), '../shared/data/policy-templates');
const parser = AppArmorParser.find();
const withCorpus = existsSync(CORPUS) ? it : it.skip;
const withBoth = existsSync(CORPUS) && parser !== undefined ? it : it.skip;

function corpus(): RuleSet {
  const policies = new Map<string, HostPolicy>();
  for (const file of readdirSync(CORPUS).filter((name) => name.endsWith('.yaml'))) {
    const text = readFileSync(join(CORPUS, file), 'utf8');
    for (const { document } of parseDocuments(text, { defaultSelector: 'all-hosts' }).documents) {
      if (document?.kind === 'KubeArmorHostPolicy') policies.set(document.metadata.name, document);
    }
  }
  const sorted = [...policies].sort(([a], [b]) => (a < b ? -1 : 1));
  return { policies: sorted.map(([, document]) => ({ document, revision: '1' })) };
}

describe('the public corpus of policies', () => {
  withCorpus(
    'gets a verdict on every rule, a reason wherever it is not in force, and refusals as kept in the golden file',
    () => {
      const { report } = compileRuleSet(corpus(), debian());
      const rules = report.policies.flatMap(({ policy, rules: list }) =>
        list.map((rule) => ({ policy, ...rule })),
      );
      expect(rules.length).toBeGreaterThan(300);
      const silent = rules.filter(
        ({ plan, reason }) => plan !== 'enforce' && plan !== 'audit' && !reason,
      );
      expect(silent).toEqual([]);
      const answers = rules
        .filter(({ plan }) => plan !== 'enforce' && plan !== 'audit')
        .map(({ policy, id, plan, reason }) => `${policy} ${id}: ${plan}: ${reason}`);
      const text = `${answers.join('\n')}\n`;
      expect(text).toBe(golden('libs/policy-compiler/golden/corpus-not-enforced.txt', text));
    },
  );

  withBoth('all at once compiles to a profile that the real parser takes', () => {
    const { texts } = compileRuleSet(corpus(), debian());
    for (const text of [texts.enforce, texts.audit, texts.open])
      expect(parser?.compile(text)).toMatchObject({ ok: true, stderr: '' });
  });
});
