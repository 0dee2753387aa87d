import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { CommandFailed } from '../output/errors.js';
import { declaredHosts } from './vm-list.js';

// As KVMService (branch non-k8s) answered on 2026-11-29; a deleted label stays there as an empty text.
const ANSWER =
  '[{"vmName":"testvm2","labels":["name=vm2","vm=enable"],"identity":28523,"namespace":"default"},' +
  '{"vmName":"kvm3","labels":["","abc=xyz=1","abc=xyz=1"],"identity":8272,"namespace":"default"},' +
  '{"vmName":"bare","labels":null,"identity":1,"namespace":"default"}]';

const read = (text: string): unknown[] =>
  parseAllDocuments(declaredHosts({ name: 'vms.json', text }).text).map(
    (document) => (document.toJS() as { metadata: unknown }).metadata,
  );

describe('the hosts of a KVMService', () => {
  it('are documents with their names and labels', () => {
    expect(read(ANSWER)).toEqual([
      { name: 'testvm2', labels: { name: 'vm2', vm: 'enable' } },
      { name: 'kvm3', labels: { abc: 'xyz=1' } },
      { name: 'bare', labels: {} },
    ]);
  });

  it.each(['kind: KubeArmorVirtualMachine\n', '{"kind": "Group"}', '[1, 2', 'null: 1', ''])(
    'leaves %j as it is',
    (text) => {
      const file = { name: 'a.yaml', text };
      expect(declaredHosts(file)).toBe(file);
    },
  );

  it.each([
    ['[]', 'vms.json names no VM'],
    ['null\n', 'vms.json names no VM'],
    ['[{"vmName":"a"},{"name":"b"}]', 'vms.json: entry 2 has no vmName'],
    ['[null]', 'vms.json: entry 1 has no vmName'],
    ['[{"vmName":"a","labels":["env:prod"]}]', 'entry 1: label "env:prod" is not of the form'],
    ['[{"vmName":"a","labels":[7]}]', 'entry 1: label 7 is not of the form'],
    ['[{"vmName":"a","labels":"env=prod"}]', 'entry 1: labels is not a list'],
    ['[{"vmName":"a","labels":["e=x","e=y"]}]', 'entry 1: label e is both "x" and "y"'],
  ])('refuses %s', (text, message) => {
    const run = (): unknown => declaredHosts({ name: 'vms.json', text });
    expect(run).toThrow(CommandFailed);
    expect(run).toThrow(message);
  });
});
