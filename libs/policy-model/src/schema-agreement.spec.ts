import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Ajv, type ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { checkField } from './check-field.js';
import { Findings } from './findings.js';
import { validateDocument } from './index.js';
import { hostPolicySpec } from './schema.js';

// The CRD's schema, flattened by its field paths: facts about KubeArmor, not part of the tree.
const FACTS = new URL('../../../../shared/facts/kubearmor-schema-facts.json', import.meta.url);

/** A fixed seed finds what it finds in the first thousands; `--full` draws others. */
const MANY = process.env['HOSTWARD_FULL'] === '1' ? 120_000 : 15_000;

interface JsonSchema {
  type?: string;
  enum?: string[];
  pattern?: string;
  maxLength?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  format?: string;
  required?: string[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
}

type FlatField = Omit<JsonSchema, 'enum'> & { enum?: string[] | 'syscalls' };

interface Facts {
  readonly host_spec_flat: Record<string, FlatField>;
  readonly syscalls_enum: string[];
}

/** JSON schema of `spec`: unknown fields refused, as strict kubectl does. */
function schemaFrom({ host_spec_flat: flat, syscalls_enum: syscalls }: Facts): JsonSchema {
  const made = new Map<string, JsonSchema>();
  for (const [path, field] of Object.entries(flat)) {
    made.set(path, { ...field, enum: field.enum === 'syscalls' ? syscalls : field.enum });
  }
  for (const [path, schema] of made) {
    if (schema.enum === undefined) delete schema.enum;
    if (path.endsWith('matchLabels')) schema.additionalProperties = { type: 'string' };
    else if (schema.type === 'object') schema.additionalProperties = false;
    attach(made, path, schema);
  }
  return made.get('spec') ?? {};
}

function attach(made: Map<string, JsonSchema>, path: string, schema: JsonSchema): void {
  if (path.endsWith('[]')) {
    const list = made.get(path.slice(0, -2));
    if (list) list.items = schema;
    return;
  }
  const dot = path.lastIndexOf('.');
  const parent = made.get(path.slice(0, dot));
  if (dot > 0 && parent)
    parent.properties = { ...parent.properties, [path.slice(dot + 1)]: schema };
}

function validatorOf(schema: JsonSchema): ValidateFunction {
  const ajv = new Ajv({ strict: false });
  ajv.addFormat('int32', {
    type: 'number',
    validate: (value) => value >= -(2 ** 31) && value < 2 ** 31,
  });
  return ajv.compile(schema);
}

const TEXTS = [
  ...[
    '',
    ' ',
    '/',
    '//',
    '/a',
    '/a/',
    '//a',
    '/a//',
    'a',
    'a/',
    'a/b',
    '/usr/bin/sleep',
    '/usr/bin/sleep ',
    '/a b/"[c]',
  ],
  ...[
    '/..',
    '/a/../b',
    '/a\nb',
    '/\n',
    '/a/\n/',
    '\n',
    `/${'x'.repeat(199)}`,
    `/${'x'.repeat(200)}`,
    `/${'𝒳'.repeat(199)}`,
  ],
  ...[
    'tcp',
    'TCP',
    'Tcp',
    'x,tcp',
    'tcp,x',
    'tcp,UDP',
    'icmpv6',
    'ICMPV6',
    'all',
    'alltcp',
    'tcp ',
  ],
  ...[
    'net_raw',
    'cap_net_raw',
    'CAP_NET_RAW',
    'net_raw,kill',
    'bpf',
    'mac_admin',
    'syslog',
    'kill ',
  ],
  ...[
    'Allow',
    'Audit',
    'Block',
    'block',
    'BLOCK',
    'Deny',
    'read',
    'unlink',
    'umount',
    'umount2',
    'openat2',
    'READ',
  ],
  ...['evil.example', 'a,b', '8', '0x08', 'ALL', 'true', '5'],
];
const NUMBERS = [0, 1, 5, 10, 11, -1, 1.5, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 1e300];
const JUNK = [
  ...TEXTS,
  ...NUMBERS,
  true,
  false,
  null,
  [],
  {},
  [[]],
  [{}],
  { path: '/a' },
  ['read'],
  Array<string>(20).fill('a'),
  Array<string>(21).fill('a'),
  [null],
];

function fits(schema: JsonSchema, text: string): boolean {
  const { pattern, maxLength = Infinity, enum: listed } = schema;
  if (listed) return listed.includes(text);
  return (
    [...text].length <= maxLength && (pattern === undefined || new RegExp(pattern, 'u').test(text))
  );
}

/** Values that the schema accepts. */
function valid(schema: JsonSchema): fc.Arbitrary<unknown> {
  switch (schema.type ?? 'string') {
    case 'object':
      return validObject(schema);
    case 'array':
      return fc.array(valid(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 2, 2) });
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.constantFrom(
        ...NUMBERS.filter(
          (number) =>
            Number.isInteger(number) &&
            number >= (schema.minimum ?? -(2 ** 31)) &&
            number <= (schema.maximum ?? 2 ** 31 - 1),
        ),
      );
    default:
      return fc.constantFrom(
        ...[...TEXTS, ...(schema.enum ?? [])].filter((text) => fits(schema, text)),
      );
  }
}

function validObject({
  properties = {},
  required = [],
  additionalProperties,
}: JsonSchema): fc.Arbitrary<unknown> {
  if (typeof additionalProperties === 'object') {
    return fc.dictionary(
      fc.constantFrom('env', 'tier', 'kubearmor.io/hostname'),
      fc.constantFrom('a', 'web1', '*'),
      { minKeys: 1, maxKeys: 2 },
    );
  }
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, valid(schema)]),
  );
  return fc.record(fields, { requiredKeys: required });
}

interface Mutation {
  readonly place: number;
  readonly kind: 'replace' | 'remove' | 'rename' | 'add';
  readonly junk: unknown;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  place: fc.nat(),
  kind: fc.constantFrom(
    'replace' as const,
    'replace' as const,
    'remove' as const,
    'rename' as const,
    'add' as const,
  ),
  junk: fc.constantFrom(...JUNK),
});

type Container = Record<string, unknown> | unknown[];

function containersOf(value: unknown): Container[] {
  if (typeof value !== 'object' || value === null) return [];
  const container = value as Container;
  return [container, ...Object.values(container).flatMap(containersOf)];
}

function mutate(document: unknown, { place, kind, junk }: Mutation): unknown {
  const copy: unknown = structuredClone(document);
  const places = containersOf(copy).flatMap((container) =>
    Object.keys(container).map((key) => ({ container, key })),
  );
  const chosen = places[place % Math.max(places.length, 1)];
  if (chosen === undefined) return junk;
  change(chosen.container, chosen.key, kind, junk);
  return copy;
}

function change(container: Container, key: string, kind: Mutation['kind'], junk: unknown): void {
  if (Array.isArray(container)) {
    if (kind === 'remove') container.splice(Number(key), 1);
    else container[Number(key)] = junk;
    return;
  }
  if (kind === 'replace') container[key] = junk;
  else if (kind === 'add') container['extra'] = junk ?? 1;
  else {
    if (kind === 'rename') container[`${key.toLowerCase()}s`] = container[key];
    delete container[key];
  }
}

/** What the API server does before it validates: known fields that are null go; it refuses an unknown one whatever it is. */
function withoutNulls(value: unknown, schema: JsonSchema | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, schema?.items));
  if (typeof value !== 'object' || value === null) return value;
  const { properties = {}, additionalProperties } = schema ?? {};
  const kept = Object.entries(value)
    .map(([key, content]) => ({ key, content: content as unknown, inner: properties[key] }))
    .filter(({ content, inner }) => content !== null || !(inner ?? additionalProperties));
  return Object.fromEntries(
    kept.map(({ key, content, inner }) => [key, withoutNulls(content, inner)]),
  );
}

/** Whether a term of the selector has no value: a template that was not filled in must not become a policy for every host. */
function losesTerm(spec: unknown): boolean {
  const { nodeSelector } = { ...(spec as { nodeSelector?: { matchLabels?: object } | null }) };
  return Object.values(nodeSelector?.matchLabels ?? {}).includes(null);
}

function crdAccepts(spec: unknown): boolean {
  const findings = new Findings();
  checkField(hostPolicySpec, spec, { path: ['spec'], mode: 'crd', report: findings.report });
  return !findings.hasErrors;
}

function documentWith(spec: unknown): unknown {
  return {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name: 'p' },
    spec,
  };
}

const available = existsSync(FACTS);
const describeWithFacts = available ? describe : describe.skip;

describeWithFacts('the crd validator (needs ../shared/facts/kubearmor-schema-facts.json)', () => {
  const facts = available ? (JSON.parse(readFileSync(FACTS, 'utf8')) as Facts) : undefined;
  const schema = facts ? schemaFrom(facts) : {};
  const oracle = validatorOf(schema);
  const specs = fc
    .tuple(valid(schema), fc.array(mutation, { maxLength: 2 }))
    .map(([spec, mutations]) => mutations.reduce(mutate, spec));

  it('agrees with the CRD on valid and mutated documents', () => {
    const seen = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(specs, (spec) => {
        const expected = oracle(withoutNulls(spec, schema));
        seen[expected ? 'accepted' : 'refused'] += 1;
        expect({ spec, accepted: crdAccepts(spec) }).toEqual({ spec, accepted: expected });
      }),
      { numRuns: 4000, examples: [[{ actions: null }], [{ action: null }]] },
    );
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(300);
  });

  it('accepts nothing that the lenient one refuses, once hosts are named', () => {
    let accepted = 0;
    fc.assert(
      fc.property(specs, (spec) => {
        const document = documentWith(spec);
        if (!validateDocument(document, { mode: 'crd' }).document || losesTerm(spec)) return;
        accepted += 1;
        const lenient = validateDocument(document, {
          mode: 'lenient',
          defaultSelector: 'all-hosts',
        });
        expect(lenient.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
        expect(lenient.document).toBeDefined();
      }),
      { numRuns: MANY },
    );
    expect(accepted).toBeGreaterThan(50); // about one in nine is; only none at all would say nothing
  });

  it('reads its own output again without a word, in both modes', () => {
    fc.assert(
      fc.property(specs, (spec) => {
        const first = validateDocument(documentWith(spec), {
          mode: 'lenient',
          defaultSelector: 'all-hosts',
        });
        if (!first.document) return;
        const again = validateDocument(JSON.parse(JSON.stringify(first.document)), {
          mode: 'lenient',
        });
        expect(again.document).toEqual(first.document);
        const corrections = again.diagnostics.filter(({ rule }) =>
          /^(corrected-(case|type|field|name|directory)|default)/.test(rule),
        );
        expect(corrections).toEqual([]);
      }),
      { numRuns: MANY },
    );
  });
});
