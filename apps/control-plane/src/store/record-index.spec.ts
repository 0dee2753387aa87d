import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { firstAfter, following } from '../http/by-name.js';
import { RecordIndex } from './record-index.js';

const name = fc.constantFrom('a', 'aa', 'ab', 'b', 'b-1', 'b1', 'c', 'web1', 'web10', 'web2');
const step = fc.record({ name, colour: fc.constantFrom('red', 'blue', undefined) });

describe('a record index', () => {
  it('has at every moment what was put there and not taken away, in order, and finds it by its record', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), name, (steps, after) => {
        const index = new RecordIndex<{ readonly colours: readonly string[] }>();
        const byColour = index.findBy(({ colours }) => colours);
        const plain = new Map<string, string>();
        for (const [at, { name: put, colour }] of steps.entries()) {
          if (colour === undefined) {
            expect(index.delete(put)?.name).toBe(plain.has(put) ? put : undefined);
            plain.delete(put);
          } else {
            index.set(put, { record: { colours: [colour, 'any'] }, revision: BigInt(at) });
            plain.set(put, colour);
          }
          const names = [...plain.keys()].sort();
          expect(index.sorted().map((item) => item.name)).toEqual(names);
          expect(index.size).toBe(plain.size);
          for (const each of names)
            expect(index.get(each)?.record.colours[0]).toBe(plain.get(each));
          const red = names.filter((each) => plain.get(each) === 'red');
          expect([...byColour.of('red')].sort()).toEqual(red);
          expect([...byColour.of('any')].sort()).toEqual(names);
          expect(byColour.countOf('any')).toBe(names.length);
          const rest = names.filter((each) => each > after);
          expect([...following(index.sorted(), after)].map((item) => item.name)).toEqual(rest);
          expect(firstAfter(index.sorted(), after)).toBe(names.length - rest.length);
        }
        index.clear();
        expect([index.sorted(), byColour.keys()]).toEqual([[], []]);
      }),
    );
  });
});
