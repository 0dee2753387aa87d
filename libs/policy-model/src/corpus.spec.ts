import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { type Diagnostic, parseDocuments, type ParseOptions } from './index.js';

// 74 host policies written by strangers (kubearmor/policy-templates); they are test input and not part of the tree.
const CORPUS = new URL('../../../../shared/data/policy-templates/', import.meta.url);
const GOLDEN = new URL('../golden/policy-templates.json', import.meta.url);

const modes: Readonly<Record<string, ParseOptions>> = {
  crd: { mode: 'crd' },
  lenient: { mode: 'lenient' },
  lenientWithSelector: { mode: 'lenient', defaultSelector: { matchLabels: { env: 'prod' } } },
};

function answer(text: string, options: ParseOptions): string {
  const { documents, diagnostics } = parseDocuments(text, options);
  const verdict = documents.length === 1 && documents[0]?.document ? 'accepted' : 'refused';
  return [verdict, ...codes(diagnostics)].join(' ');
}

function codes(diagnostics: readonly Diagnostic[]): string[] {
  return [...new Set(diagnostics.map(({ severity, rule }) => `${severity}:${rule}`))].sort();
}

function answers(): Record<string, Record<string, string>> {
  const files = readdirSync(CORPUS).filter((name) => name.endsWith('.yaml'));
  return Object.fromEntries(
    files.sort().map((name) => {
      const text = readFileSync(new URL(name, CORPUS), 'utf8');
      const each = Object.entries(modes).map(([mode, options]) => [mode, answer(text, options)]);
      return [name, Object.fromEntries(each)];
    }),
  );
}

function count(all: Record<string, Record<string, string>>, mode: string): number {
  return Object.values(all).filter((each) => each[mode]?.startsWith('accepted')).length;
}

const describeWithCorpus = existsSync(CORPUS) ? describe : describe.skip;

describeWithCorpus('policies of the public corpus (needs ../shared/data/policy-templates)', () => {
  const all = existsSync(CORPUS) ? answers() : {};

  it('accepts 47 and refuses 27 of 74 as the CRD does', () => {
    expect(Object.keys(all)).toHaveLength(74);
    expect(count(all, 'crd')).toBe(47);
  });

  it('refuses in lenient mode only the 26 that name no hosts', () => {
    const refused = Object.values(all).filter(({ lenient }) => lenient?.startsWith('refused'));
    expect(refused).toHaveLength(26);
    expect(refused.every(({ lenient }) => lenient?.includes('error:missing-selector'))).toBe(true);
  });

  it('takes all 74 in lenient mode when a selector is given', () => {
    expect(count(all, 'lenientWithSelector')).toBe(74);
  });

  it('answers as the golden file says', () => {
    if (process.env['UPDATE_GOLDEN'] === '1')
      writeFileSync(GOLDEN, `${JSON.stringify(all, null, 2)}\n`);
    expect(all).toEqual(JSON.parse(readFileSync(GOLDEN, 'utf8')));
  });
});
