import { describe, expect, it } from '@jest/globals';
import type { Action, Line } from '../history.js';
import {
  broken,
  commit,
  done,
  givenUp,
  goodHistory,
  letOff,
  node,
  policy,
  taken,
  withLines,
} from '../support/sample-history.js';
import { checkOperations } from './operations.js';
import type { Rule } from './violation.js';
import { Truth } from '../truth.js';

const labels = { env: 'prod' };
const web = '/m/1';
const key = 'policy/web';
const ofWeb = (kind: 'delete' | 'pause' | 'resume'): Action => ({ kind, policy: 'web' });
const paused = policy(web, { change: 'paused', paused: true });
const resumed = policy(web, { change: 'resumed' });
const deleted = policy(web, { change: 'deleted', document: undefined });
const dev: Action = { kind: 'label', node: 'h2', labels: { env: 'dev' } };
const prod: Action = { kind: 'label', node: 'h2', labels };
const isDev = node('id2', { env: 'dev' });
const enrol: Action = { kind: 'enrol', node: 'h1' };
const end: Action = { kind: 'end-suspension', reason: 'outage' };

const apply = (marker: string): Action => ({ kind: 'apply', policy: 'web', marker, labels });
const pause = (op: number, revision: number) =>
  done(op, ofWeb('pause'), commit(revision, 'policy.paused', 'web', { key, value: paused }));
const resume = (op: number, revision: number) =>
  done(op, ofWeb('resume'), commit(revision, 'policy.resumed', 'web', { key, value: resumed }));
const moved = (revision: number, value: object) =>
  commit(revision, 'node.labelled', 'h2', { key: 'node/h2', value });
const without = (drop: (line: Line) => boolean): Line[] => goodHistory().filter((l) => !drop(l));
const unanswered = (op: number, action: Action) =>
  [
    { type: 'invoke', op, action },
    { type: 'unknown', op, why: 'cut' },
  ] as const;

describe('the check of operations', () => {
  it.each<[string, Line[]]>([
    [
      'a pause of what is paused already, and the change of what it was by one that nobody answered',
      withLines(
        ...pause(10, 9),
        ...done(11, ofWeb('pause')),
        ...unanswered(12, ofWeb('resume')),
        ...done(13, ofWeb('pause')),
        commit(10, 'policy.resumed', 'web', { key, value: resumed }),
      ),
    ],
    ['labels that a host has already', withLines(...done(10, prod))],
    [
      'a commit that is read only after the answer to it, and to those behind it',
      withLines(...done(10, dev), ...done(11, prod), moved(9, isDev), moved(10, node('id2'))),
    ],
    [
      'a deletion that nobody answered, and that comes after a later apply',
      withLines(
        ...unanswered(10, ofWeb('delete')),
        ...done(11, apply('/m/9'), commit(9, 'apply', '', { key, value: policy('/m/9') })),
        commit(10, 'policy.deleted', 'web', { key, value: deleted }),
      ),
    ],
    [
      'an apply that is asked for again, since its answer was lost, and changes nothing then',
      withLines(
        ...unanswered(10, apply('/m/9')),
        commit(9, 'apply', '', { key, value: policy('/m/9') }),
        ...done(11, apply('/m/9')),
      ),
    ],
    [
      'a machine that comes again, since the answer to its enrolment was lost',
      withLines(
        ...givenUp,
        { type: 'invoke', op: 10, action: enrol },
        { type: 'renewed', node: 'h1' },
        commit(10, 'node.enrolled', 'h1', { key: 'node/h1', value: node('id4') }),
        { type: 'unknown', op: 10, why: 'cut' },
        ...done(11, enrol),
      ),
    ],
    [
      'a break-glass of a machine, which ends with it, and is not there to be ended',
      withLines(
        ...done(
          10,
          { kind: 'suspend', reason: 'outage', target: { node: 'h1' }, mode: 'off' },
          commit(9, 'suspension.created', 's1', {
            key: 'suspend/s1',
            value: { reason: 'outage', mode: 'off', target: { node: 'h1' } },
          }),
        ),
        ...done(
          11,
          { kind: 'replace', node: 'h1' },
          commit(
            10,
            'node.replaced',
            'h1',
            { key: 'node/h1', value: node() },
            { key: 'revoke/id1', value: {} },
            { key: 'suspend/s1' },
          ),
        ),
        ...unanswered(12, end),
      ),
    ],
    [
      'what the control plane notes of a host by itself',
      withLines(
        commit(9, 'node.cut-off', 'h2', { key: 'node/h2', value: { ...node('id2'), cutOff: {} } }),
      ),
    ],
    [
      'labels of a name that no machine has',
      withLines(
        ...givenUp,
        ...done(
          10,
          { kind: 'label', node: 'h1', labels: { env: 'dev' } },
          commit(10, 'node.labelled', 'h1', {
            key: 'node/h1',
            value: node(undefined, { env: 'dev' }),
          }),
        ),
      ),
    ],
    [
      'the revocation of a host that is revoked already',
      withLines(...done(10, { kind: 'revoke', node: 'h3' })),
    ],
  ])('takes %s', (_, history) => {
    expect(checkOperations(history, new Truth(history))).toEqual([]);
  });

  it.each<[string, Rule, Line[]]>([
    [
      'an answer to what etcd never had',
      'durable',
      without((line) => line.type === 'committed' && line.revision === 5),
    ],
    [
      'a refusal of what has happened',
      'durable',
      goodHistory().map((line) =>
        line.type === 'ok' && line.op === 2
          ? { at: line.at, type: 'fail', op: 2, why: '409' }
          : line,
      ),
    ],
    [
      'an answer with another revision',
      'durable',
      goodHistory().map((line) =>
        line.type === 'ok' && line.op === 2 ? { ...line, revision: 4 } : line,
      ),
    ],
    [
      'a replacement that was answered and that etcd never had',
      'durable',
      withLines(...done(9, { kind: 'replace', node: 'h1' })),
    ],
    [
      'an end of a break-glass that was answered and is none',
      'durable',
      withLines(...letOff(9), ...done(10, end)),
    ],
    [
      'a second pause that was answered and that etcd never had',
      'durable',
      withLines(...pause(10, 9), ...resume(11, 10), ...done(12, ofWeb('pause'))),
    ],
    [
      'a move to labels that a host had before, which was answered and that etcd never had',
      'durable',
      withLines(...done(10, dev, moved(9, isDev)), ...done(11, prod)),
    ],
    [
      'an enrolment of a second machine that was answered and that etcd never had',
      'durable',
      withLines(...givenUp, { type: 'renewed', node: 'h1' }, ...done(10, enrol)),
    ],
    [
      'a machine of which the one before is still there after its enrolment was answered',
      'durable',
      withLines(
        ...unanswered(10, { kind: 'replace', node: 'h1' }),
        { type: 'renewed', node: 'h1' },
        ...done(11, enrol),
      ),
    ],
    [
      'two deletions that were answered and are one',
      'durable',
      withLines(
        ...done(10, ofWeb('delete')),
        ...done(11, ofWeb('delete'), commit(9, 'policy.deleted', 'web', { key, value: deleted })),
      ),
    ],
    [
      'a deletion that was answered and undoes what was applied later',
      'ordered',
      withLines(
        ...done(10, ofWeb('delete')),
        ...done(11, apply('/m/9'), commit(9, 'apply', '', { key, value: policy('/m/9') })),
        commit(10, 'policy.deleted', 'web', { key, value: deleted }),
      ),
    ],
    [
      'an apply that was answered, and that etcd has before what was answered earlier',
      'ordered',
      withLines(...done(9, apply('/m/0')), commit(1, 'apply', '', { key, value: policy('/m/0') })),
    ],
    [
      'a change for which nobody asked',
      'durable',
      without((line) => 'op' in line && line.op === 4 && line.type === 'invoke'),
    ],
    [
      'an apply that happens twice',
      'durable',
      withLines(commit(9, 'apply', '', { key, value: policy('/m/1') })),
    ],
    [
      'a deletion that happens twice',
      'durable',
      withLines(
        ...done(10, ofWeb('delete'), commit(9, 'policy.deleted', 'web', { key, value: deleted })),
        ...done(11, apply('/m/9'), commit(10, 'apply', '', { key, value: policy('/m/9') })),
        commit(11, 'policy.deleted', 'web', { key, value: deleted }),
      ),
    ],
    ['labels that nobody moved', 'durable', withLines(moved(9, isDev))],
    [
      'labels that were moved to others than asked for',
      'durable',
      withLines(...done(10, dev, moved(9, isDev), moved(10, node('id2', { env: 'lab' })))),
    ],
    [
      'a machine that nobody enrolled',
      'durable',
      withLines(...givenUp, ...taken.filter((line) => line.type === 'committed')),
    ],
    [
      'a machine that nobody gave up',
      'durable',
      withLines(...givenUp.filter((line) => line.type === 'committed')),
    ],
    [
      'a host that is gone, though nobody can ask for it',
      'durable',
      withLines(commit(9, 'node.offboarded', 'h2', { key: 'node/h2' })),
    ],
    [
      'a host that nobody revoked',
      'durable',
      withLines(commit(9, 'node.revoked', 'h2', { key: 'revoke/id2', value: {} })),
    ],
    [
      'a break-glass for which nobody asked',
      'durable',
      withLines(...letOff(9).filter((line) => line.type === 'committed')),
    ],
    [
      'a break-glass that goes further than was asked for',
      'durable',
      withLines(
        ...letOff(9).map((line) =>
          line.type === 'invoke' && line.action.kind === 'suspend'
            ? { ...line, action: { ...line.action, mode: 'audit' as const } }
            : line,
        ),
      ),
    ],
    [
      'an end of a break-glass for which nobody asked',
      'durable',
      withLines(...letOff(9), commit(10, 'suspension.ended', 's1', { key: 'suspend/s1' })),
    ],
  ])('finds %s', (_, rule, history) => {
    expect(broken(history)).toContain(rule);
  });
});
