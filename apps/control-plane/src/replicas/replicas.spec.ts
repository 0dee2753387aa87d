import { describe, expect, it } from '@jest/globals';
import type { WatchMessage } from '#etcd';
import { snapshot } from '../testing/records.js';
import { lacksOf, lacksText } from './lacks.js';
import { DelayQueue } from './delay-queue.js';
import { Replicas, replicaKey } from './replicas.js';

const HOSTS = Array.from({ length: 100 }, (_, index) => `host-${index}`);

/** A replica `a` whose lease is as a test says, and what the watch tells it. */
function replica() {
  const key = {
    heldAs: undefined as string | undefined,
    said: '',
    say: (word: string) => void (key.said = word),
    start: () => undefined,
    stop: () => Promise.resolve(),
  };
  const replicas = new Replicas({ id: 'a', key });
  const tell = (message: WatchMessage): void => {
    replicas.take(message);
    replicas.refresh();
  };
  return { key, replicas, tell, share: () => HOSTS.filter((host) => replicas.owns(host)).length };
}

const rest = { modRevision: 1n, createRevision: 1n, version: 1n };
const there = (id: string, lease: string): WatchMessage => ({
  ...({ type: 'changes', revision: 1n } as const),
  changes: [{ type: 'put', key: replicaKey(id), value: Buffer.from(lease), ...rest }],
});
const says = (id: string, word: string): WatchMessage => there(id, `1 ${word}`);
const gone = (id: string): WatchMessage => ({
  ...({ type: 'changes', revision: 1n } as const),
  changes: [{ type: 'delete', key: replicaKey(id), ...rest }],
});

describe('what of the work is a replica’s own', () => {
  it('is everything while nobody else is there, with a lease or without', () => {
    const { key, tell, share } = replica();
    expect(share()).toBe(HOSTS.length);
    key.heldAs = '1';
    tell(there('a', '1'));
    expect(share()).toBe(HOSTS.length);
    key.heldAs = undefined;
    expect(share()).toBe(HOSTS.length);
  });

  it('is nothing beside another one, until its own key comes by the watch', () => {
    const { key, tell, share } = replica();
    tell({
      ...snapshot(1n),
      items: [{ key: replicaKey('b'), value: Buffer.from('7'), ...rest }],
    });
    expect(share()).toBe(0);
    key.heldAs = '1';
    expect(share()).toBe(0);
    tell(there('a', '1'));
    expect(share()).toBeGreaterThan(0);
    expect(share()).toBeLessThan(HOSTS.length);
  });

  it('is nothing at once when its lease is over, before anybody works the division out anew', () => {
    const { key, tell, share } = replica();
    key.heldAs = '1';
    tell(there('a', '1'));
    tell(there('b', '7'));
    expect(share()).toBeGreaterThan(0);
    key.heldAs = undefined;
    expect(share()).toBe(0);
  });

  it('is nothing under a new lease, until the watch has told of it: by then it has read what it missed', () => {
    const { key, tell, share } = replica();
    key.heldAs = '1';
    tell(there('a', '1'));
    tell(there('b', '7'));
    key.heldAs = '2';
    expect(share()).toBe(0);
    tell(gone('a'));
    tell(there('a', '2'));
    expect(share()).toBeGreaterThan(0);
  });

  it('is everything again when the other one is gone; a refresh tells what was before', () => {
    const { key, tell, share, replicas } = replica();
    key.heldAs = '1';
    tell(there('a', '1'));
    tell(there('b', '7'));
    expect(replicas.refresh()).toBeUndefined();
    replicas.take(gone('b'));
    expect(replicas.refresh()?.replicas).toEqual(['a', 'b']);
    expect(share()).toBe(HOSTS.length);
  });
});

describe('what replicas say of themselves', () => {
  it('is told behind the lease, and is nothing where one of an older version has the lease alone', () => {
    const { key, tell, replicas } = replica();
    replicas.say('x');
    expect(key.said).toBe('x');
    tell(says('a', 'x'));
    tell(says('b', 'y'));
    tell(there('c', '7'));
    expect([...replicas.others]).toEqual([
      ['b', 'y'],
      ['c', ''],
    ]);
    tell(gone('b'));
    expect([...replicas.others.keys()]).toEqual(['c']);
  });

  it('takes nothing from the share of one that says it', () => {
    const { key, tell, share } = replica();
    key.heldAs = '1';
    tell(there('b', '7'));
    tell(says('a', 'x'));
    expect(share()).toBeGreaterThan(0);
  });
});

describe('a replica that cannot read all of etcd', () => {
  const lackingAll = (key: string, held?: bigint) => lacksOf(new Map([[key, held]]));
  const [older, none, other] = [lackingAll('x', 3n), lackingAll('x'), lackingAll('y')];
  const newer = lackingAll('x', 4n);
  const lacking = (id: string, lacks: ReturnType<typeof lacksOf>) =>
    there(id, `1  ${lacksText(lacks)}`);
  const held = () => {
    const made = replica();
    made.key.heldAs = '1';
    made.tell(there('a', '1'));
    return made;
  };

  it('has no share beside one that can, and gives way to it, at once', () => {
    const { replicas, tell, share } = held();
    tell(there('b', '7'));
    replicas.lack(older);
    replicas.refresh();
    expect([share(), replicas.givesWay]).toEqual([0, true]);
    tell(gone('b'));
    expect([share(), replicas.givesWay]).toEqual([HOSTS.length, false]);
  });

  it('leaves everything to one that can', () => {
    const { replicas, tell, share } = held();
    tell(lacking('b', none));
    expect([share(), replicas.givesWay]).toEqual([HOSTS.length, false]);
  });

  it.each([
    ['has what a record was before', older, none, true],
    ['has nothing of it', none, older, false],
    ['has what it was before that', older, newer, false],
    ['has what it was after that', newer, older, true],
    ['lacks another one, and comes first', none, other, true],
  ])(
    'does everything or nothing beside one that cannot either: where it %s',
    (_, own, its, isBest) => {
      const { replicas, tell, share } = held();
      replicas.lack(own);
      tell(lacking('b', its));
      expect([share(), replicas.givesWay]).toEqual([isBest ? HOSTS.length : 0, !isBest]);
    },
  );

  it('shares with one that lacks the same, and gives way to none', () => {
    const { replicas, tell, share } = held();
    replicas.lack(none);
    tell(lacking('b', none));
    expect(share()).toBeGreaterThan(0);
    expect(share()).toBeLessThan(HOSTS.length);
    expect(replicas.givesWay).toBe(false);
  });

  it('says so behind its word, also where it has none', () => {
    const { key, replicas } = replica();
    replicas.lack(none);
    expect(`7 ${key.said}`.split(' ')).toEqual(['7', '', lacksText(none)]);
    replicas.say('files');
    expect(key.said).toBe(`files ${lacksText(none)}`);
    replicas.lack(lacksOf(new Map()));
    expect(key.said).toBe('files');
  });
});

describe('work that another replica does first', () => {
  it('is given back once, after two whole turns', () => {
    const later = new DelayQueue();
    later.add('a');
    later.add('a');
    expect([...later.due()]).toEqual([]);
    later.add('a');
    later.add('b');
    expect([...later.due()]).toEqual([]);
    expect([...later.due()]).toEqual(['a']);
    expect([...later.due()]).toEqual(['b']);
    expect([...later.due()]).toEqual([]);
  });
});
