import { describe, expect, it } from '@jest/globals';
import { auditLogEntry } from '#bundle';
import type { Line } from '../history.js';
import {
  broken,
  commit,
  done,
  ending,
  givenUp,
  goodHistory,
  node,
  taken,
  withLines,
} from '../support/sample-history.js';
import type { Rule } from './violation.js';

const last = goodHistory().find((line) => line.type === 'quiet')?.final;
const [auditLog, alerts] = [last?.auditLog ?? [], last?.alerts ?? []];
const denied = { node: 'h1', resource: '/denied/9' };
const label = done(
  10,
  { kind: 'label', node: 'h2', labels: { env: 'dev' } },
  commit(9, 'node.enrolled', 'h2', { key: 'node/h2', value: node('id2', { env: 'dev' }) }),
);

describe('the check of what is kept for ever', () => {
  it('takes a machine of which some denials were never stored, since it went', () => {
    const history = withLines({ type: 'denied', ...denied }, ...givenUp, ...taken);
    expect(broken(history)).not.toContain('alerts');
  });

  it.each<[string, Rule, Line[]]>([
    [
      'a change without its entry',
      'auditLog',
      goodHistory().map((line) =>
        line.type === 'committed'
          ? { ...line, changes: line.changes.filter(({ key }) => key !== 'audit-log/head') }
          : line,
      ),
    ],
    ['a change with the entry of another one', 'auditLog', withLines(...label)],
    [
      'a change with the entry of the same of another host',
      'auditLog',
      withLines(
        ...done(
          10,
          { kind: 'revoke', node: 'h2' },
          commit(9, 'node.revoked', 'h1', { key: 'revoke/id2', value: {} }),
        ),
      ),
    ],
    ['an entry that is lost', 'auditLog', ending({ auditLog: auditLog.slice(0, -1) })],
    [
      'an entry that is doubled',
      'auditLog',
      ending({
        auditLog: auditLog.flatMap((entry) => (entry.seq === 3 ? [entry, entry] : [entry])),
      }),
    ],
    [
      'a chain that is broken',
      'auditLog',
      ending({
        auditLog: auditLog.map((entry) =>
          entry.seq === 4 ? { ...entry, prev: 'f'.repeat(64) } : entry,
        ),
      }),
    ],
    [
      'an entry that says something else under its hash',
      'auditLog',
      ending({
        auditLog: auditLog.map((entry) =>
          entry.seq === 4 ? { ...entry, actor: 'nobody' } : entry,
        ),
      }),
    ],
    [
      'an entry that says something else in etcd',
      'auditLog',
      goodHistory().map((line) =>
        line.type === 'committed' && line.revision === 5
          ? {
              ...line,
              changes: line.changes.map((change) =>
                change.key === 'audit-log/head'
                  ? { ...change, value: { ...auditLog[3], actor: 'nobody' } }
                  : change,
              ),
            }
          : line,
      ),
    ],
    [
      'a chain that was written anew behind a change',
      'auditLog',
      ending({
        auditLog: auditLog.map((entry) =>
          entry.seq === auditLog.length
            ? auditLogEntry({ ...contentOf(entry), actor: 'x' })
            : entry,
        ),
      }),
    ],
    ['a denial that is lost', 'alerts', ending({ alerts: alerts.slice(1) })],
    [
      'a denial of another machine under the name that is lost',
      'alerts',
      withLines(
        ...givenUp,
        { type: 'renewed', node: 'h1' },
        { type: 'denied', ...denied },
        ...taken.filter((line) => line.type !== 'renewed'),
      ),
    ],
    [
      'a denial of a machine that went, which was stored before that',
      'alerts',
      withLines({ type: 'denied', ...denied }, { type: 'stored', ...denied }, ...givenUp, ...taken),
    ],
    [
      'a denial of a host that was revoked, which was stored before that',
      'alerts',
      withLines(
        { type: 'denied', node: 'h3', resource: '/denied/3' },
        { type: 'stored', node: 'h3', resource: '/denied/3' },
      ),
    ],
    ['a denial that is stored twice', 'alerts', ending({ alerts: [...alerts, ...alerts] })],
    [
      'a denial that never was',
      'alerts',
      ending({ alerts: [...alerts, { node: 'h1', resource: '/x' }] }),
    ],
  ])('finds %s', (_, rule, history) => {
    expect(broken(history)).toContain(rule);
  });
});

function contentOf({ hash: _hash, ...content }: (typeof auditLog)[number]) {
  return content;
}
