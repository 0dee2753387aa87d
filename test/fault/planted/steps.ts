import type { Step } from '../plan.js';

const ETCD_LINKS = ['etcd-1', 'etcd-2', 'etcd-3'];
const labels = { env: 'prod' };

const times = <T>(count: number, make: (index: number) => readonly T[]): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index)).flat();

/** Many changes, none of which another makes good, while the links to etcd are cut in turn and watches begin anew. */
export const UNREAD = [
  ...times<Step>(40, (index) => {
    const [policy, marker] = [`p${index}`, `/usr/bin/marked-${index}`];
    return [{ at: 500 + index * 300, do: { kind: 'apply', policy, marker, labels } }];
  }),
  ...times<Step>(170, (index) => {
    const of = ETCD_LINKS[index % ETCD_LINKS.length] ?? '';
    return [{ at: 500 + index * 70, fault: { kind: 'cut', of, forMs: 40 } }];
  }),
];

/** Denials that are sent while nobody reads them, and that Redis loses before anybody does. */
export const UNHEARD: readonly Step[] = [
  ...['control plane', 'replica'].map((of): Step => {
    return { at: 1_500, fault: { kind: 'stop', of, forMs: 5_000 } };
  }),
  ...['h1', 'h2', 'h3', 'h4'].map((deny): Step => ({ at: 2_500, deny, resource: '/denied/1' })),
  { at: 4_000, fault: { kind: 'flush', of: 'redis-events' } },
];

/** All hosts are let off, and enforce again; then they are given another rule set. */
export const LET_OFF: readonly Step[] = [
  { at: 0, do: { kind: 'apply', policy: 'p1', marker: '/usr/bin/marked-1', labels } },
  { at: 1_000, do: { kind: 'suspend', reason: 'outage', target: { labels }, mode: 'off' } },
  { at: 6_000, do: { kind: 'end-suspension', reason: 'outage' } },
  { at: 8_000, do: { kind: 'apply', policy: 'p2', marker: '/usr/bin/marked-2', labels } },
];

/** A host cannot confirm a rule set, is denied something by it, and falls back; then it is given another one. */
export const FELL_BACK: readonly Step[] = [
  ...[0, 8_000, 54_000].map((at, index): Step => {
    const [policy, marker] = [`p${index}`, `/usr/bin/marked-${index}`];
    return { at, do: { kind: 'apply', policy, marker, labels } };
  }),
  { at: 7_000, fault: { kind: 'cut', of: 'control plane@h1', forMs: 45_000 } },
  { at: 11_000, fault: { kind: 'deny-agent', of: 'h1' } },
];
