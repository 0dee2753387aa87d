import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type Diagnostic,
  formatDiagnostic,
  parseDocuments,
  type ParseOptions,
  validateDocument,
} from './index.js';

const HEAD = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: p
spec:
  nodeSelector:
    matchLabels:
      env: prod
`;
const RULE = '  process: {matchPaths: [{path: /a}]}\n';

/** `severity:rule@line:column path` of everything that is said about a text. */
function said(text: string, options?: ParseOptions): string[] {
  return parseDocuments(text, options).diagnostics.map(brief);
}

function brief({ severity, rule, line, column, path }: Diagnostic): string {
  return `${severity}:${rule}@${line ?? '?'}:${column ?? '?'} ${path}`;
}

describe('parseDocuments', () => {
  it('reads several documents of all kinds, and skips empty ones', () => {
    const text = `# only a comment
---
${HEAD}${RULE}---
---
apiVersion: hostward.io/v1
kind: Group
metadata: {name: web}
spec: {selector: {matchLabels: {tier: web}}}
--- # the last
apiVersion: security.kubearmor.com/v1
kind: KubeArmorVirtualMachine
metadata: {name: vm1, labels: {env: prod}}
`;
    const { documents, diagnostics } = parseDocuments(text);
    expect(diagnostics).toEqual([]);
    expect(documents.map(({ index, kind, name }) => [index, kind, name])).toEqual([
      [0, 'KubeArmorHostPolicy', 'p'],
      [1, 'Group', 'web'],
      [2, 'KubeArmorVirtualMachine', 'vm1'],
    ]);
    expect(documents.every(({ document }) => document !== undefined)).toBe(true);
  });

  it('gives a problem its file, line, column, path, value, rule and remedy', () => {
    const [diagnostic] = parseDocuments(`${HEAD}${RULE}  acton: Block\n`, {
      file: 'x.yaml',
    }).diagnostics;
    expect(diagnostic).toEqual({
      ...{ severity: 'error', file: 'x.yaml', line: 10, column: 3, document: 0 },
      ...{ path: 'spec.acton', value: '"Block"', rule: 'unknown-field' },
      ...{ message: 'there is no such field', remedy: 'did you mean action?' },
    });
    expect(diagnostic && formatDiagnostic(diagnostic)).toBe(
      'x.yaml:10:3: error: spec.acton: there is no such field [unknown-field]\n    did you mean action?',
    );
  });

  it('reads JSON with places, and refuses YAML where JSON is expected', () => {
    const json = JSON.stringify(
      { kind: 'Group', apiVersion: 'hostward.io/v1', metadata: { name: 'A' }, spec: 1 },
      null,
      '\t',
    );
    expect(said(json, { format: 'json', mode: 'crd' })).toEqual([
      'error:bad-name@5:3 metadata.name',
      'error:wrong-type@7:2 spec',
    ]);
    expect(said(HEAD, { format: 'json' })).toEqual(['error:json-syntax@?:? ']);
    expect(said('{"a":1,}', { format: 'json' })).toEqual(['error:json-syntax@1:8 ']);
  });

  it.each([
    ['more documents than can be meant', '---\na\n'.repeat(20_001), 'more than 20000 documents'],
    ['a text beyond the bound', '#'.repeat(1024 * 1024 + 1), 'larger than 1048576 bytes'],
  ])('refuses %s with one word, and how not to delete by parts of it', (_, text, said) => {
    const { documents, diagnostics } = parseDocuments(text);
    expect(documents).toEqual([]);
    expect(diagnostics).toMatchObject([
      {
        rule: 'text-too-large',
        message: expect.stringContaining(said),
        remedy: expect.stringContaining('in parts, each without --prune'),
      },
    ]);
  });

  it('takes as many documents as a text of the largest size holds', () => {
    const shortest =
      '{apiVersion: hostward.io/v1, kind: Group, metadata: {name: a}, spec: {selector: {}}}\n---\n';
    const count = Math.floor((1024 * 1024) / shortest.length);
    expect(count).toBeGreaterThan(10_000);
    expect(parseDocuments(shortest.repeat(count)).documents).toHaveLength(count);
  });

  it('refuses a policy that names no hosts with the remedy, and takes it with a selector', () => {
    const text = HEAD.replace(/ {2}nodeSelector[^]*prod\n/, '') + RULE;
    const [refusal] = parseDocuments(text).diagnostics;
    expect(refusal).toMatchObject({ rule: 'missing-selector', line: 5, path: 'spec.nodeSelector' });
    expect(refusal?.remedy).toMatch(/matchLabels.*--selector.*--all-hosts/);
    const given = parseDocuments(text, { defaultSelector: { matchLabels: { env: 'dev' } } });
    expect(given.documents[0]?.document).toMatchObject({
      spec: { nodeSelector: { matchLabels: { env: 'dev' } } },
    });
    const all = parseDocuments(text, { defaultSelector: 'all-hosts' });
    expect(all.documents[0]?.document).toMatchObject({
      spec: { nodeSelector: { matchLabels: { 'hostward.io/all-hosts': 'true' } } },
    });
  });

  it('leaves a selector that is there to its author', () => {
    const { documents } = parseDocuments(HEAD + RULE, { defaultSelector: 'all-hosts' });
    expect(documents[0]?.document).toMatchObject({
      spec: { nodeSelector: { matchLabels: { env: 'prod' } } },
    });
  });

  it('lets no command line stand in for a term that has no value, as a template leaves it', () => {
    const text = HEAD.replace('env: prod', 'env:') + RULE;
    const { documents, diagnostics } = parseDocuments(text, { defaultSelector: 'all-hosts' });
    expect(documents[0]?.document).toBeUndefined();
    expect(diagnostics.map(({ rule }) => rule)).toContain('empty-selector');
  });

  it('refuses an empty selector, which the CRD accepts and which selects no host', () => {
    const text = `${HEAD.replace(/ {4}matchLabels[^]*prod\n/, '').replace('nodeSelector:', 'nodeSelector: {}')}${RULE}`;
    expect(said(text)).toEqual(['error:empty-selector@6:3 spec.nodeSelector']);
    expect(said(text, { mode: 'crd' })).toEqual(['warning:empty-selector@6:3 spec.nodeSelector']);
  });

  it('refuses a second document of the same kind and name', () => {
    expect(said(`${HEAD}${RULE}---\n${HEAD}${RULE}`)).toEqual([
      'error:duplicate-document@14:3 metadata.name',
    ]);
  });

  it('names kind and name of a document that it refuses', () => {
    const { documents } = parseDocuments(`${HEAD}${RULE}  action: Block\n  action: Audit\n`);
    expect(documents).toMatchObject([{ kind: 'KubeArmorHostPolicy', name: 'p' }]);
    expect(documents[0]?.document).toBeUndefined();
  });

  it.each([
    ['KubeArmorPolicy', 'write a KubeArmorHostPolicy'],
    ['ConfigMap', 'known: KubeArmorHostPolicy'],
  ])('refuses kind %s and says what is taken', (kind, remedy) => {
    const [diagnostic] = parseDocuments(HEAD.replace('KubeArmorHostPolicy', kind)).diagnostics;
    expect(diagnostic).toMatchObject({
      rule: 'unsupported-kind',
      line: 2,
      remedy: expect.stringContaining(remedy),
    });
  });
});

describe('hostile text', () => {
  it.each([
    [
      'a key with two values',
      `${HEAD}  action: Block\n  action: Audit\n`,
      'error:duplicate-key@10:3 spec.action',
    ],
    [
      'a section with two contents',
      `${HEAD}${RULE}  process: {matchPaths: [{path: /b}]}\n`,
      'error:duplicate-key@10:3 spec.process',
    ],
    ['a directive for YAML 1.1', `%YAML 1.1\n---\n${HEAD}`, 'error:yaml-version@1:1 '],
    ['a directive for YAML 1.3', `%YAML 1.3\n---\n${HEAD}`, 'error:yaml-version@1:7 '],
    [
      'an integer that loses digits',
      `${HEAD}  severity: 9007199254740993\n`,
      'error:number-out-of-range@9:3 spec.severity',
    ],
    [
      'an infinite number',
      `${HEAD}  severity: .inf\n`,
      'error:number-out-of-range@9:3 spec.severity',
    ],
    ['a tag', `${HEAD}  message: !!binary aGk=\n`, 'error:yaml-tag@9:3 spec.message'],
    ['an alias without an anchor', `${HEAD}  tags: *none\n`, 'error:yaml-alias@9:3 spec.tags'],
    [
      'an alias to what contains it',
      `${HEAD}  tags: &t [*t]\n`,
      'error:yaml-alias@9:13 spec.tags[0]',
    ],
    ['a NUL in a text', `${HEAD}  message: "a\\0b"\n`, 'error:control-character@9:3 spec.message'],
    [
      'a newline in a path',
      `${HEAD}  process: {matchPaths: [{path: "/a\\nb"}]}\n`,
      'error:control-character@9:27 spec.process.matchPaths[0].path',
    ],
    [
      'a text that turns its direction',
      `${HEAD}  process: {matchPaths: [{path: "/a\\u202Eb"}]}\n`,
      'error:control-character@9:27 spec.process.matchPaths[0].path',
    ],
    [
      'a character without a width',
      `${HEAD}  process: {matchPaths: [{path: "/a\\u200Bb"}]}\n`,
      'error:control-character@9:27 spec.process.matchPaths[0].path',
    ],
    [
      'a space that does not break',
      `${HEAD}  process: {matchPaths: [{path: "/a\\u00A0b"}]}\n`,
      'error:control-character@9:27 spec.process.matchPaths[0].path',
    ],
    [
      'half a character',
      `${HEAD}  message: "\\uD800"\n`,
      'error:control-character@9:3 spec.message',
    ],
    [
      'a path longer than a path can be',
      `${HEAD}  process: {matchPaths: [{path: /${'a'.repeat(4095)}}]}\n`,
      'error:string-too-long@9:27 spec.process.matchPaths[0].path',
    ],
    ['a key that attacks objects', `${HEAD}  __proto__: {a: b}\n`, 'error:bad-key@5:1 spec'],
    ['a key that is a map', `${HEAD}  ? {a: b}\n  : c\n`, 'error:bad-key@5:1 spec'],
    ['brackets without end', '['.repeat(500_000), 'error:too-deep@?:? '],
    ['dashes without end', '- '.repeat(500_000), 'error:too-deep@?:? '],
    ['a text beyond the bound', `#${'x'.repeat(1024 * 1024)}`, 'error:text-too-large@?:? '],
    ['no document', '# nothing\n', 'error:no-document@?:? '],
  ])('with %s is refused', (_what, text, expected) => {
    const { documents } = parseDocuments(text);
    expect(said(text)).toContain(expected);
    expect(documents.filter(({ document }) => document !== undefined)).toEqual([]);
  });

  it.each(['[? ', '{? ', '[- ', '{: ', '[a: '])(
    'with %j and its second half without end is refused without exhausting the stack',
    (text) => {
      const endless = text.slice(0, 1) + text.slice(1).repeat(20_000);
      expect(said(endless).some((line) => line.startsWith('error:'))).toBe(true);
    },
  );

  it('in JSON on one line is taken, however many fields it has', () => {
    const matchPaths = Array.from({ length: 5_000 }, (_, i) => ({ path: `/srv/${i}` }));
    const spec = {
      nodeSelector: { matchLabels: { a: 'b' } },
      process: { matchPaths },
      action: 'Block',
    };
    const head = { apiVersion: 'security.kubearmor.com/v1', kind: 'KubeArmorHostPolicy' };
    const text = JSON.stringify({ ...head, metadata: { name: 'many' }, spec });
    for (const format of ['json', 'yaml'] as const)
      expect(parseDocuments(text, { format }).diagnostics).toEqual([]);
  });

  it('with nesting by indentation is refused without exhausting the stack', () => {
    const text = Array.from({ length: 1400 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('');
    expect(said(text)[0]).toMatch(/^error:(too-deep|yaml-syntax)/);
  });

  it('with aliases that explode is refused before they are expanded', () => {
    const levels = 'abcdefgh'.split('');
    const lines = levels.map(
      (name, at) =>
        `${name}: &${name} [${Array<string>(9)
          .fill(at === 0 ? 'x' : `*${levels[at - 1]}`)
          .join(',')}]`,
    );
    expect(said(lines.join('\n'))[0]).toMatch(/^error:yaml-alias/);
  });

  it('is told from text with a few honest aliases', () => {
    expect(
      said(`${HEAD}  tags: &t [a]\n  process: {tags: *t, matchPaths: [{path: /a}]}\n`),
    ).toEqual([]);
  });

  it('with a key written twice with one value is taken with a warning', () => {
    expect(said(`${HEAD}  action: Audit\n${RULE}  action: Audit\n`)).toEqual([
      'warning:repeated-key@11:3 spec.action',
    ]);
  });

  it.each(['../../etc/shadow', 'a/b', '.', '-', 'a..b', 'x'.repeat(254), '%2e%2e', 'ä', '"a\\nb"'])(
    'with the name %s is refused',
    (name) => {
      const text = HEAD.replace('name: p', `name: ${name}`) + RULE;
      for (const mode of ['crd', 'lenient'] as const) {
        expect(parseDocuments(text, { mode }).documents[0]?.document).toBeUndefined();
      }
    },
  );

  it('ends with a bounded list of problems', () => {
    const fields = Array.from({ length: 5000 }, (_, at) => `  x${at}: 1\n`).join('');
    const { diagnostics } = parseDocuments(HEAD + fields);
    expect(diagnostics.length).toBeLessThan(250);
    expect(diagnostics.some(({ message }) => message.includes('more than 200 errors'))).toBe(true);
  });

  it('never makes the parser throw, whatever it is', () => {
    const pieces = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a',
      '*a',
      '!',
      '|',
      '>',
      '"',
      "'",
      '#',
      '%YAML 1.2',
      '---',
      '...',
      '\t',
      '\0',
      '?',
      ',',
      'spec',
      '<<',
      '__proto__',
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(pieces, { maxLength: 60 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(texts, fc.constantFrom('yaml' as const, 'json' as const), (text, format) => {
        const { documents, diagnostics } = parseDocuments(text, { format });
        expect(documents.some(({ document }) => document) || diagnostics.length > 0).toBe(true);
        for (const diagnostic of diagnostics)
          expect(formatDiagnostic(diagnostic).split('\n').length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 2000 },
    );
  });

  it('as a value without its text never makes the validator throw', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }),
        (value) => {
          const document = {
            apiVersion: 'security.kubearmor.com/v1',
            kind: 'KubeArmorHostPolicy',
            metadata: value,
            spec: value,
          };
          expect(validateDocument(value).document).toBeUndefined();
          expect(validateDocument(document).diagnostics.length).toBeGreaterThan(0);
          expect(
            validateDocument({ ...document, kind: 'Group', apiVersion: 'hostward.io/v1' }).document,
          ).toBeUndefined();
          expect(
            validateDocument({ ...document, kind: 'KubeArmorVirtualMachine' }).document,
          ).toBeUndefined();
        },
      ),
      { numRuns: 2000 },
    );
  });
});
