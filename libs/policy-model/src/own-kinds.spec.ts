import { describe, expect, it } from '@jest/globals';
import { parseDocuments } from './index.js';

function said(text: string): string[] {
  return parseDocuments(text).diagnostics.map(
    ({ severity, rule, path }) => `${severity}:${rule} ${path}`,
  );
}

function group(selector: string): string {
  return `{apiVersion: hostward.io/v1, kind: Group, metadata: {name: web}, spec: {selector: ${selector}}}`;
}

function machine(metadata: string, more = ''): string {
  return `{apiVersion: security.kubearmor.com/v1, kind: KubeArmorVirtualMachine, metadata: ${metadata}${more}}`;
}

describe('a Group', () => {
  it.each([
    '{matchLabels: {tier: web}}',
    '{matchExpressions: [{key: env, operator: In, values: [a, b]}, {key: old, operator: DoesNotExist}]}',
    '{matchLabels: {kubearmor.io/hostnamereg: "web-*"}}',
  ])('is taken with the selector %s', (selector) => {
    expect(said(group(selector))).toEqual([]);
  });

  it.each([
    ['{}', 'error:empty-selector spec.selector'],
    [
      '{matchLabels: {hostward.io/group: other}}',
      'error:bad-mark spec.selector.matchLabels["hostward.io/group"]',
    ],
    ['{matchLabels: {a: [b]}}', 'error:wrong-type spec.selector.matchLabels'],
    [
      '{matchExpressions: [{key: a, operator: in, values: [x]}]}',
      'error:bad-label spec.selector.matchExpressions[0].operator',
    ],
    [
      '{matchExpressions: [{key: a, operator: In}]}',
      'error:bad-label spec.selector.matchExpressions[0].values',
    ],
    [
      '{matchExpressions: [{key: a, operator: Exists, values: [x]}]}',
      'error:bad-label spec.selector.matchExpressions[0].values',
    ],
    [
      '{matchExpressions: [{operator: Exists}]}',
      'error:required-field spec.selector.matchExpressions[0].key',
    ],
    ['{labels: {a: b}}', 'error:unknown-field spec.selector.labels'],
    ['[1]', 'error:wrong-type spec.selector'],
    ['x', 'error:wrong-type spec.selector'],
    ['null', 'error:required-field spec.selector'],
  ])('is refused with the selector %s', (selector, expected) => {
    expect(said(group(selector))).toContain(expected);
    expect(parseDocuments(group(selector)).documents[0]?.document).toBeUndefined();
  });

  it('is refused without a spec or with more than its fields', () => {
    expect(said('{apiVersion: hostward.io/v1, kind: Group, metadata: {name: web}}')).toEqual([
      'error:required-field spec',
    ]);
    expect(
      said(group('{matchLabels: {a: b}}').replace('{selector', '{members: [x], selector')),
    ).toEqual(['error:unknown-field spec.members']);
  });
});

describe('a KubeArmorVirtualMachine', () => {
  it('is taken as karmor writes it', () => {
    const text = machine(
      '{name: testvm1, creationTimestamp: null, labels: {name: vm1, vm: true}}',
      ', spec: {}, status: {}',
    );
    const { documents } = parseDocuments(text);
    expect(said(text)).toEqual(['warning:corrected-type metadata.labels.vm']);
    expect(documents[0]?.document).toEqual({
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorVirtualMachine',
      metadata: { name: 'testvm1', labels: { name: 'vm1', vm: 'true' } },
    });
  });

  it.each([
    ['{labels: {a: b}}', 'error:required-field metadata.name'],
    ['{name: ../x}', 'error:bad-name metadata.name'],
    [
      '{name: a, annotations: {hostward.io/ssh-host-key: ssh-rsa AAAA}}',
      'error:bad-mark metadata.annotations["hostward.io/ssh-host-key"]',
    ],
    [
      '{name: a, annotations: {hostward.io/ssh-key: x}}',
      'error:bad-mark metadata.annotations["hostward.io/ssh-key"]',
    ],
    ['{name: a, labels: {"a b": c}}', 'error:bad-label metadata.labels["a b"]'],
    [
      '{name: a, labels: {hostward.io/group: c}}',
      'error:bad-label metadata.labels["hostward.io/group"]',
    ],
    [
      '{name: a, labels: {kubearmor.io/hostname: b}}',
      'error:bad-label metadata.labels["kubearmor.io/hostname"]',
    ],
    ['{name: a, label: {b: c}}', 'error:unknown-field metadata.label'],
    ['x', 'error:wrong-type metadata'],
  ])('is refused with the metadata %s', (metadata, expected) => {
    expect(said(machine(metadata))).toContain(expected);
    expect(parseDocuments(machine(metadata)).documents[0]?.document).toBeUndefined();
  });

  it('is refused with a spec, which nothing would read', () => {
    expect(said(machine('{name: a}', ', spec: {x: 1}'))).toEqual(['error:unknown-field spec']);
  });
});
