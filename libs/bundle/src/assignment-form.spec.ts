import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AssignmentForm, type AssignmentOwn } from './assignment.js';
import { canonicalBytes } from './canonical.js';

const common = { v: 1, epoch: '1', generation: '40', issuedAt: 1, rootVersion: 1 } as const;
const hex64 = fc.stringMatching(/^[0-9a-f]{64}$/);
const reason = fc.oneof(fc.constant('"nodeId":"x"'), fc.string({ maxLength: 20 }));
/** Few values each, so that neighbours often differ in the node id alone. */
const assignment: fc.Arbitrary<AssignmentOwn> = fc.record(
  {
    nodeId: hex64,
    expiresAt: fc.constantFrom(8, 9),
    reportEpoch: fc.constant(0),
    bundleDigest: fc.constantFrom('a'.repeat(64), 'b'.repeat(64)),
    dataKey: fc.constant(Buffer.alloc(32).toString('base64')),
    suspension: fc.record({ mode: fc.constant('audit' as const), until: fc.nat(), reason }),
    labels: fc.constantFrom({ nodeId: 'x' }, { payload: '"nodeId":"x"' }),
  },
  {
    requiredKeys: ['nodeId', 'expiresAt', 'reportEpoch', 'bundleDigest', 'dataKey'],
  },
);

describe('the form of assignments', () => {
  it('gives the canonical bytes of each, whatever came before it', () => {
    const written = fc.array(assignment, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(written, (all) => {
        const form = new AssignmentForm(common);
        for (const each of all) {
          const twin = { ...each, nodeId: 'c'.repeat(64) };
          expect(form.bytesOf(each)).toEqual(canonicalBytes({ ...common, ...each }));
          expect(form.bytesOf(twin)).toEqual(canonicalBytes({ ...common, ...twin }));
        }
      }),
    );
  });

  it('refuses a node id that is none, also after one that was taken', () => {
    const [first] = fc.sample(assignment, 1);
    if (!first) throw new Error('no sample');
    const form = new AssignmentForm(common);
    form.bytesOf(first);
    expect(() => form.bytesOf({ ...first, nodeId: '","v":1' })).toThrow(/nodeId/);
  });
});
