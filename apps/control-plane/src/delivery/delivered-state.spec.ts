import { beforeEach, describe, expect, it } from '@jest/globals';
import type { WrittenAssignment } from './assignment-plan.js';
import { DeliveredState } from './delivered-state.js';

describe('delivered state', () => {
  let delivered: DeliveredState;
  const written = (digest: string) =>
    ({ wanted: { bundle: { digest } }, bundleDigest: digest }) as WrittenAssignment;

  beforeEach(() => {
    delivered = new DeliveredState();
    delivered.set('host-1', written('a'));
    delivered.set('host-2', written('a'));
    delivered.set('host-3', written('b'));
  });

  describe('since which assignment version a host is to do the same', () => {
    const at = (generation: string, digest: string, over: object = {}): WrittenAssignment => {
      const assignmentVersion = { epoch: '1', generation, issuedAt: 1 };
      const { bundleDigest = digest, ...wanted } = over as { readonly bundleDigest?: string };
      const made = { assignmentVersion, bundleDigest, wanted: { bundle: { digest }, ...wanted } };
      return made as WrittenAssignment;
    };
    const first = (...written: readonly WrittenAssignment[]): string | undefined => {
      for (const each of written) delivered.set('host', each);
      return delivered.get('host')?.first?.generation;
    };
    const suspension = { mode: 'off', until: 'x', reason: 'r' };

    it.each<[string, readonly WrittenAssignment[], string | undefined]>([
      ['is not known of what was there at the start', [at('1', 'a')], undefined],
      ['is not known where that was renewed', [at('1', 'a'), at('2', 'a')], undefined],
      ['is that of another bundle', [at('1', 'a'), at('2', 'b')], '2'],
      ['stays where that is renewed', [at('1', 'a'), at('2', 'b'), at('3', 'b')], '2'],
      ['is that of the one that came back', [at('1', 'a'), at('2', 'b'), at('3', 'a')], '3'],
      ['is that of the end of a suspension', [at('1', 'a', { suspension }), at('2', 'a')], '2'],
      ['is that of what is watched', [at('1', 'a'), at('2', 'a', { visibility: ['file'] })], '2'],
      [
        'goes by the bundle that is there',
        [at('1', 'a'), at('2', 'b', { bundleDigest: 'a' })],
        undefined,
      ],
    ])('%s', (_what, written, generation) => {
      expect(first(...written)).toBe(generation);
    });

    it('is known over a loss of the channel', () => {
      expect(first(at('1', 'a'), at('2', 'b'))).toBe('2');
      delivered.loseAll();
      expect(first(at('3', 'b'))).toBe('2');
      delivered.loseAll();
      expect(first(at('4', 'a'))).toBe('4');
    });
  });

  it('names a bundle for as long as one host has it', () => {
    delivered.set('host-1', written('b'));
    expect([...delivered.digests()]).toEqual(['a', 'b']);
    delivered.set('host-2', written('b'));
    expect([...delivered.digests()]).toEqual(['b']);
  });

  it('counts a host once, however often the same was written for it', () => {
    delivered.set('host-3', written('b'));
    delivered.remove('host-3');
    delivered.remove('host-3');
    delivered.remove('never-there');
    expect([...delivered.digests()]).toEqual(['a']);
    expect([...delivered.nodeIds()]).toEqual(['host-1', 'host-2']);
  });

  it('knows what the channel has lost, until that is written for again or something newer goes out', () => {
    delivered.begin('host-1');
    expect(['host-1', 'host-2'].map((each) => delivered.isUnsure(each))).toEqual([true, false]);
    delivered.loseAll();
    expect(['host-1', 'host-2', 'host-3'].map((each) => delivered.lost(each))).toEqual([
      undefined,
      written('a'),
      written('b'),
    ]);
    expect(delivered.get('host-2')).toBeUndefined();
    delivered.set('host-2', written('a'));
    delivered.begin('host-3');
    expect([delivered.lost('host-2'), delivered.lost('host-3')]).toEqual([undefined, undefined]);
    delivered.set('host-3', written('b'));
    delivered.loseAll();
    expect(delivered.lost('host-3')).toEqual(written('b'));
    delivered.remove('host-3');
    expect(delivered.lost('host-3')).toBeUndefined();
  });

  it('knows what a host had, also where that is lost and something newer is on its way, under the name of now', () => {
    delivered.begin('host-1');
    delivered.loseAll();
    delivered.begin('host-2');
    delivered.rename('host-2', 'new');
    expect(['host-1', 'host-2'].map((each) => delivered.lost(each))).toEqual([
      undefined,
      undefined,
    ]);
    expect(delivered.known('host-1')).toEqual(written('a'));
    expect(delivered.known('host-2')?.wanted.node).toBe('new');
    delivered.remove('host-1');
    expect(delivered.known('host-1')).toBeUndefined();
  });

  it('knows of what another one has rendered too that it is lost', () => {
    const kept = { ...written('a'), bundleDigest: 'b' };
    delivered.set('host-1', kept);
    delivered.loseAll();
    expect(delivered.lost('host-1')).toEqual(kept);
  });

  it('names none after the channel lost everything', () => {
    delivered.loseAll();
    expect(delivered.digests().size).toBe(0);
    delivered.remove('host-1');
    expect(delivered.digests().size).toBe(0);
  });
});
