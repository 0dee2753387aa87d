import { describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventStreams } from './event-streams.js';
import { HostLink } from './host-link.js';
import { StateInbox, type StateInboxOptions } from './state-inbox.js';
import { eventually } from './testing/eventually.js';
import { connect, link, open, raw, server, useOneRedis } from './fixtures/one-redis.js';

const NODE = 'a1';

useOneRedis();

describe('the state inbox', () => {
  function inbox(port: number, nodes: readonly string[], more: Partial<StateInboxOptions> = {}) {
    const states = new Map<string, string>();
    const events = new Set<string>();
    const box = new StateInbox(connect(port), {
      shards: 1,
      known: () => nodes,
      isKnown: (nodeId) => nodes.includes(nodeId),
      onState: (nodeId, sealed) => {
        states.set(nodeId, sealed.toString());
        return true;
      },
      onEvents: (nodeId) => events.add(nodeId),
      haveEvents: () => Promise.resolve([]),
      sweepMs: 3_600_000,
      ...more,
    });
    open.push(box);
    return { box, states, events };
  }

  it('reads a state when its bell rings, and drops what no known host rings', async () => {
    const { box, states, events } = inbox(server.port, [NODE]);
    await eventually('subscribed', () => box.counters.subscribed);
    events.clear();
    const host = new HostLink(connect(), NODE);
    await host.writeState(Buffer.from('s1'));
    await eventually('state', () => states.get(NODE) === 's1');
    await host.appendEvents(Buffer.from('e'));
    await eventually('events', () => events.has(NODE));
    await new HostLink(connect(), 'stranger').writeState(Buffer.from('x'));
    await raw.publish(redisKeys.bell(0), '{');
    await raw.publish(redisKeys.bell(0), 'x'.repeat(10_000));
    await eventually('counted', () => box.counters.strangers === 1 && box.counters.malformed === 2);
    expect(states.size).toBe(1);
  });

  it('reads hosts that nobody waits for together, and at once with one that is waited for', async () => {
    const nodes = ['quiet-1', 'quiet-2', 'quiet-3'];
    const { box, states } = inbox(server.port, [...nodes, NODE], {
      isAwaited: (nodeId) => nodeId === NODE,
    });
    await eventually('subscribed', () => box.counters.subscribed);
    await sleep(100); // the look after subscribing has ended
    const write = (nodeId: string) => new HostLink(connect(), nodeId).writeState(Buffer.from('s'));
    await Promise.all(nodes.map(write));
    await sleep(50);
    expect(states.size).toBe(0);
    const since = performance.now();
    await eventually('a moment later', () => states.size === nodes.length);
    expect(performance.now() - since).toBeGreaterThan(50);
    await write('quiet-1');
    states.clear();
    await write(NODE);
    await eventually('at once', () => states.has(NODE));
    expect(states.has('quiet-1')).toBe(true);
  });

  it('reads the first host that answers at once, and those of the next milliseconds together', async () => {
    const nodes = Array.from({ length: 200 }, (_, n) => `answers-${n}`);
    const { box, states } = inbox(server.port, nodes);
    await eventually('subscribed', () => box.counters.subscribed);
    await sleep(100); // the look after subscribing has ended
    const link = connect();
    const write = (nodeId: string) => new HostLink(link, nodeId).writeState(Buffer.from('s'));
    await write('answers-0');
    const since = performance.now();
    for (const nodeId of nodes) await write(nodeId);
    await eventually('all', () => states.size === nodes.length);
    const tens = (performance.now() - since) / 10;
    expect(box.counters.readings).toBeLessThan(tens + 3);
    expect(box.counters.states).toBeGreaterThanOrEqual(nodes.length);
  });

  it('reads nothing while something goes first, and not longer than a second', async () => {
    let busy = true;
    const { box, states } = inbox(server.port, [NODE], { isBusy: () => busy });
    const host = new HostLink(connect(), NODE);
    await host.writeState(Buffer.from('s1'));
    await eventually('subscribed', () => box.counters.subscribed);
    await sleep(300);
    expect(states.size).toBe(0);
    await eventually('state, though it is busy still', () => states.get(NODE) === 's1');
    await sleep(1_500); // the look after subscribing has ended
    const since = performance.now();
    await host.writeState(Buffer.from('s2'));
    setTimeout(() => (busy = false), 200);
    await eventually('the next', () => states.get(NODE) === 's2');
    expect(performance.now() - since).toBeGreaterThan(150);
  });

  it('has every newest state of 500 hosts that reported while its link was cut', async () => {
    const nodes = Array.from({ length: 500 }, (_, i) => `n${i}`);
    const { box, states } = inbox(link.port, nodes);
    await eventually('subscribed', () => box.counters.subscribed);
    link.cut();
    await eventually('cut', () => !box.counters.subscribed);
    const direct = connect();
    await Promise.all(nodes.map((id) => new HostLink(direct, id).writeState(Buffer.from(id))));
    link.restore();
    await eventually('all', () => nodes.every((id) => states.get(id) === id));
    expect(box.counters.subscriptions).toBeGreaterThan(1);
  });

  it('finds by a sweep what nobody rang for, and reads nothing that it has seen a second time', async () => {
    const { box, states } = inbox(server.port, [NODE, 'silent'], { sweepMs: 1_000 });
    await eventually('subscribed', () => box.counters.subscribed);
    await raw.set(redisKeys.state(NODE), 's1 without a bell');
    await eventually('found', () => states.get(NODE) === 's1 without a bell');
    const { swept } = box.counters;
    await eventually('two more sweeps', () => box.counters.swept >= swept + 4);
    expect(box.counters).toMatchObject({ states: 1, foundBySweep: 1 });
    await raw.set(redisKeys.state(NODE), 's2 without a bell');
    await eventually('found', () => states.get(NODE) === 's2 without a bell');
  });

  it('finds what a host wrote quietly, within a sweep, and what is short, long or no string disturbs nothing', async () => {
    const [short, list] = ['short', 'list'];
    const { box, states } = inbox(server.port, [NODE, 'silent', short, list], {
      sweepMs: 4_000,
    });
    await eventually('subscribed', () => box.counters.subscribed);
    await sleep(100); // the look after subscribing has ended
    await raw.lpush(redisKeys.state(list), 'x');
    await raw.set(redisKeys.state(short), 's');
    const { messages } = box.counters;
    const host = new HostLink(connect(), NODE);
    const long = 'x'.repeat(10_000);
    expect(await host.writeState(Buffer.from(long), { isQuiet: true })).toBe(false);
    await eventually('found', () => states.get(NODE) === long && states.get(short) === 's');
    expect(box.counters).toMatchObject({ messages, states: 2, foundBySweep: 2 });
    const { swept } = box.counters;
    await eventually('a whole sweep', () => box.counters.swept >= swept + 4);
    expect(box.counters).toMatchObject({ states: 2, malformed: 0, failedReads: 0 });
    const signedStatus = Buffer.from('signed-status');
    await host.writeState(Buffer.from('s2'), { signedStatus, isQuiet: true });
    expect(await raw.get(redisKeys.signedStatus(NODE))).toBe('signed-status');
    await eventually('found again', () => states.get(NODE) === 's2');
    expect(box.counters.messages).toBe(messages);
  });

  it('sees at each turn what is written where it is to look closely', async () => {
    const nodes = [...Array.from({ length: 300 }, (_, n) => `others-${n}`), NODE];
    const { box, states } = inbox(server.port, nodes, { closely: () => [NODE] });
    await eventually('subscribed', () => box.counters.subscribed);
    const host = new HostLink(connect(), NODE);
    for (const text of ['first', 'second', 'third']) {
      const since = performance.now();
      await host.writeState(Buffer.from(text), { isQuiet: true });
      await eventually(text, () => states.get(NODE) === text);
      expect(performance.now() - since).toBeLessThan(5_000);
    }
  });

  it('gives a state again of which its reader could make nothing, until it can', async () => {
    let offered = 0;
    const { box } = inbox(server.port, [NODE], {
      sweepMs: 1_000,
      onState: () => (offered += 1) > 1,
    });
    await eventually('subscribed', () => box.counters.subscribed);
    await new HostLink(connect(), NODE).writeState(Buffer.from('s'));
    await eventually('offered again', () => offered === 2);
    const { swept } = box.counters;
    await eventually('two more sweeps', () => box.counters.swept >= swept + 2);
    expect(offered).toBe(2);
  });

  it('asks only for streams that hold something, and again where it could not ask', async () => {
    const streams = new EventStreams(connect());
    let refusals = 1;
    const { box, events } = inbox(server.port, [NODE, 'silent'], {
      sweepMs: 1_000,
      haveEvents: (nodeIds) =>
        (refusals -= 1) < 0 ? streams.holding(nodeIds) : Promise.reject(new Error('away')),
    });
    await raw.xadd(redisKeys.events(NODE), '*', 'b', 'a batch without a bell');
    await eventually('found', () => events.has(NODE));
    const { swept } = box.counters;
    await eventually('a whole sweep', () => box.counters.swept >= swept + 2);
    expect([...events]).toEqual([NODE]);
  });

  it('finds out that a link is dead though nothing was closed', async () => {
    const { box, states } = inbox(link.port, [NODE]);
    await eventually('subscribed', () => box.counters.subscribed);
    link.stall();
    await new HostLink(connect(), NODE).writeState(Buffer.from('late'));
    await eventually('given up', () => !box.counters.subscribed);
    link.cut();
    link.restore();
    await eventually('state', () => states.get(NODE) === 'late');
  });
});
