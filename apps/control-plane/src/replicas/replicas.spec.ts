import { describe, expect, it } from '@jest/globals';
import type { WatchMessage } from '#etcd';
import { snapshot } from '../testing/records.js';
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

describe('a replica that cannot read a record', () => {
  const held = () => {
    const made = replica();
    made.key.heldAs = '1';
    made.tell(there('a', '1'));
    return made;
  };

  it('owns no hosts, alone or beside another one, until it can read again', () => {
    const { replicas, tell, share } = held();
    replicas.canRead(false);
    expect(share()).toBe(0);
    tell(there('b', '7'));
    expect(share()).toBe(0);
    replicas.canRead(true);
    replicas.refresh();
    expect(share()).toBeGreaterThan(0);
  });

  it('leaves all hosts to one that can read', () => {
    const { tell, share } = held();
    tell(there('b', '7  unreadable'));
    expect(share()).toBe(HOSTS.length);
  });

  it('says so behind its word, also where it has none', () => {
    const { key, replicas } = replica();
    replicas.canRead(false);
    expect(`7 ${key.said}`.split(' ')).toEqual(['7', '', 'unreadable']);
    replicas.say('files');
    expect(key.said).toBe('files unreadable');
    replicas.canRead(true);
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
