import { describe, expect, it } from '@jest/globals';
import { FuzzFinding, fuzz } from './fuzz.js';

const corpus = new Map([['start', Buffer.from('{"name":"value","list":[1,2,3]}')]]);

/** The first inputs that a run tries. */
async function inputsOf(seed: number, language: 'bytes' | 'json'): Promise<string[]> {
  const inputs: string[] = [];
  const target = (input: Buffer): void => {
    inputs.push(input.toString('base64'));
    if (inputs.length === 200) throw new Error('enough');
  };
  await fuzz({ corpus, seed, forMs: 60_000, language, target }).catch(() => undefined);
  return inputs;
}

describe('the fuzzer', () => {
  it.each(['bytes', 'json'] as const)(
    'tries the same inputs for the same seed, and others for another (%s)',
    async (language) => {
      const first = await inputsOf(1, language);
      expect(await inputsOf(1, language)).toEqual(first);
      expect(new Set(await inputsOf(2, language)).intersection(new Set(first)).size).toBeLessThan(
        100,
      );
      expect(new Set(first).size).toBeGreaterThan(150);
    },
  );

  it('tries the corpus first and names the file that beats the target', async () => {
    const target = (): void => {
      throw new RangeError('beaten');
    };
    const run = fuzz({ corpus, seed: 1, forMs: 0, target });
    await expect(run).rejects.toThrow(
      /^corpus file start: RangeError: beaten\ninput \(base64.*eyJuYW1l/,
    );
  });

  it('finds a reader that trusts a length, and says the number, the seed and the input', async () => {
    const target = (input: Buffer): void => {
      if ((input[0] ?? 0) > 200) throw new RangeError('out of range');
    };
    const run = fuzz({ corpus, seed: 3, forMs: 60_000, target });
    await expect(run).rejects.toThrow(FuzzFinding);
    await expect(run).rejects.toThrow(/input \d+ of seed 3: RangeError/);
  });

  it('finds a reader that takes a member of every object for its own', async () => {
    const target = (input: Buffer): void => {
      const value = tryJson(input);
      if (value !== null && typeof value === 'object' && Object.hasOwn(value, '__proto__'))
        throw new Error('polluted');
    };
    const run = fuzz({ corpus, seed: 4, forMs: 60_000, language: 'json', target });
    await expect(run).rejects.toThrow(/polluted/);
  });
});

function tryJson(input: Buffer): unknown {
  try {
    return JSON.parse(input.toString('utf8'));
  } catch {
    return null;
  }
}
