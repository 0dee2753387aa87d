import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { EtcdServer, LinkProxy, startEtcd } from '#testing';
import { EtcdStore } from './etcd.store.js';
import { etcdKeys } from './key-layout.js';
import type { LeasedKey } from './leased-key.js';

const TTL_MS = 3_000;
const KEY = etcdKeys.lease('replica-a');
const DEADLINE_MS = 60_000;

let etcd: EtcdServer;
let link: LinkProxy;
let store: EtcdStore;
let direct: EtcdStore;
beforeAll(async () => {
  etcd = await startEtcd();
  link = await LinkProxy.start(etcd.port);
  store = EtcdStore.connect({ hosts: [`127.0.0.1:${link.port}`] });
  direct = EtcdStore.connect({ hosts: [etcd.url] });
});
afterAll(async () => {
  store.close();
  direct.close();
  await link.stop();
  await etcd.stop();
});

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`did not happen: ${what}`);
    await delay(10);
  }
}
let started: LeasedKey | undefined;
afterEach(async () => {
  link.restore();
  await started?.stop();
});
/** The key, taken by this process. */
async function taken(): Promise<LeasedKey> {
  const key = store.leasedKey(KEY, TTL_MS);
  started = key;
  key.start();
  await until('it is held', () => key.heldAs !== undefined);
  return key;
}
const valueThere = async (): Promise<string | undefined> =>
  (await direct.get(KEY))?.value.toString('utf8');

describe('a key under a lease of a real etcd', () => {
  it('is there for longer than its time, and gone at once when it is given up', async () => {
    const key = await taken();
    const { heldAs } = key;
    await delay(2 * TTL_MS);
    expect(key.heldAs).toBe(heldAs);
    expect(await valueThere()).toBe(heldAs);
    await key.stop();
    expect(await valueThere()).toBeUndefined();
  });

  it.each([
    ['resets', () => link.cut()],
    ['is silent', () => link.stall()],
  ])('is given up by its holder before etcd lets it go, where the link %s', async (_how, fail) => {
    const key = await taken();
    const { heldAs } = key;
    fail();
    await until('etcd lets it go', async () => {
      const gone = (await valueThere()) === undefined;
      // Asked after etcd was: whoever says yes here would have held what is not there.
      if (gone) expect(key.heldAs).toBeUndefined();
      return gone;
    });
    link.restore();
    await until('it is held again', () => key.heldAs !== undefined);
    expect(key.heldAs).not.toBe(heldAs);
    expect(await valueThere()).toBe(key.heldAs);
  });

  it('is not held by a process that stood still until it was gone, whatever it does first', async () => {
    const holder = new Holder();
    try {
      await until('it is held', async () => (await holder.heldAs()) !== undefined);
      const heldAs = await holder.heldAs();
      holder.signal('SIGSTOP');
      const asked = Array.from({ length: 5 }, () => holder.heldAs());
      await until('etcd lets it go', async () => (await valueThere()) === undefined);
      holder.signal('SIGCONT');
      for (const answer of await Promise.all(asked)) expect(answer).not.toBe(heldAs);
      await until('it is held again', async () => (await holder.heldAs()) !== undefined);
      expect(await valueThere()).toBe(await holder.heldAs());
    } finally {
      holder.signal('SIGKILL');
    }
  });
});

const LIBRARY = new URL('../../../dist/libs/etcd/src/index.js', import.meta.url).href;

/** A process of its own that holds the key, and says so when it is asked. */
class Holder {
  readonly #answers: ((heldAs: string | undefined) => void)[] = [];
  readonly #process = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { EtcdStore } from ${JSON.stringify(LIBRARY)};
       const store = EtcdStore.connect({ hosts: [${JSON.stringify(etcd.url)}] });
       const key = store.leasedKey(${JSON.stringify(KEY)}, ${TTL_MS});
       key.start();
       process.on('message', () => process.send({ heldAs: key.heldAs }));`,
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );

  constructor() {
    this.#process.on('message', ({ heldAs }: { heldAs?: string }) =>
      this.#answers.shift()?.(heldAs),
    );
  }

  /** Waits for as long as the process stands still. */
  heldAs(): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#answers.push(resolve);
    this.#process.send({});
    return promise;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#process.kill(signal);
  }
}
