import { describe, expect, it } from '@jest/globals';
import { Clock } from '../http/clock.js';
import { Attempts } from './attempts.js';
import { adminCaller } from '../auth/caller.js';
import { FailedLogins } from './failed-logins.js';
import { Refusals } from './refusals.js';
import { hashSecret, secretMatches } from '../auth/secret-hash.js';

class SetClock extends Clock {
  ms = 1_772_366_400_000;

  nowMs(): number {
    return this.ms;
  }
}

describe('a secret', () => {
  it('matches its own hash only, with a salt of its own, and nobody’s is matched by none', async () => {
    const [one, other] = await Promise.all([hashSecret('correct'), hashSecret('correct')]);
    expect(one.hash).not.toBe(other.hash);
    expect(await secretMatches('correct', one)).toBe(true);
    expect(await secretMatches('Correct', one)).toBe(false);
    expect(await secretMatches('correct', undefined)).toBe(false);
  });
});

describe('attempts', () => {
  it('are slowed after five for one account from one place, whatever the others do', () => {
    const attempts = new Attempts();
    const waits = Array.from({ length: 7 }, () => attempts.take('alice', '192.0.2.1', 0));
    expect(waits.map((wait) => wait > 0)).toEqual([false, false, false, false, false, true, true]);
    expect(attempts.take('alice', '192.0.2.2', 0)).toBe(0);
    expect(attempts.take('bob', '192.0.2.1', 0)).toBe(0);
    expect(attempts.take('alice', '192.0.2.1', 31_000)).toBe(0);
  });

  it('are slowed for one place over all accounts, and for one account over all places', () => {
    const attempts = new Attempts();
    const places = Array.from({ length: 101 }, (_, i) => attempts.take('alice', `10.0.0.${i}`, 0));
    expect([places[99], places[100]]).toEqual([0, expect.any(Number)]);
    expect(places[100]).toBeGreaterThan(0);
    const names = Array.from({ length: 21 }, (_, i) => attempts.take(`u${i}`, '192.0.2.9', 0));
    expect(names[19]).toBe(0);
    expect(names[20]).toBeGreaterThan(0);
  });

  it('from one place, however many, keep nobody out who comes from another', () => {
    const attempts = new Attempts();
    for (let at = 0; at < 1_000; at += 1) attempts.take('alice', '192.0.2.1', 0);
    expect(attempts.take('alice', '192.0.2.2', 0)).toBe(0);
  });

  it('that were right are not counted', () => {
    const attempts = new Attempts();
    for (let i = 0; i < 50; i += 1) {
      expect(attempts.take('alice', '192.0.2.1', 0)).toBe(0);
      attempts.right('alice', '192.0.2.1', 0);
    }
  });
});

describe('failed logins', () => {
  it('are one entry a minute, of bounded size, however many and from wherever', () => {
    const clock = new SetClock();
    const failures = new FailedLogins(clock);
    for (let i = 0; i < 10_000; i += 1) failures.add(`10.0.${Math.floor(i / 100)}.1`, 'alice');
    expect(failures.take()).toBeUndefined();
    clock.ms += 60_000;
    const told = failures.take();
    expect(told).toMatchObject({ by: 'hostward', action: 'login.failed', outcome: 'refused' });
    const { sources, elsewhere } = told?.detail as { sources: unknown[]; elsewhere: number };
    expect([sources.length, sources[0], elsewhere]).toEqual([
      50,
      { source: '10.0.0.1', logins: 100, accounts: ['alice'] },
      5_000,
    ]);
    expect(failures.take(true)).toBeUndefined();
  });
});

describe('refusals', () => {
  it('are told one by one at first and then counted', () => {
    const clock = new SetClock();
    const refusals = new Refusals(clock);
    const refusal = { action: 'GET /v1/users', object: '/v1/users' };
    const told = Array.from({ length: 500 }, () =>
      refusals.add(adminCaller('192.0.2.1'), refusal),
    ).filter((draft) => draft !== undefined);
    expect(told).toHaveLength(10);
    expect(told[0]).toMatchObject({ by: 'admin', source: '192.0.2.1', outcome: 'refused' });
    expect(refusals.take('hostward')).toBeUndefined();
    clock.ms += 60_000;
    expect(refusals.take('hostward')).toMatchObject({ detail: { refused: { admin: 490 } } });
    expect(refusals.take('hostward', true)).toBeUndefined();
  });
});
