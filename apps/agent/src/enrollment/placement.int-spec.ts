import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  configuredAddress,
  placeInForce,
  readPlacement,
  writePlacement,
  type Place,
  type Placement,
} from './placement.js';

const address = (name: string, byte: string) => ({
  url: `https://${name}.example:7443`,
  caFingerprint: byte.repeat(32),
});
const [first, second, third] = [address('a', 'aa'), address('b', 'bb'), address('c', 'cc')];
const at = (where: typeof first, issuedAt: number): Place => ({
  ...where,
  folder: `place-${issuedAt}`,
});
const placement = (over: Partial<Placement> = {}): Placement => ({
  v: 1,
  configured: first,
  newest: { issuedAt: 5, digest: 'dd'.repeat(32) },
  current: at(second, 5),
  ...over,
});

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostward-placement-'));
  file = join(folder, 'control-plane.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('which control plane counts', () => {
  it('is that of agent.yaml where no redirect was followed', () => {
    expect(placeInForce(first, undefined)).toBeUndefined();
    expect(placeInForce(first, placement({ current: undefined }))).toBeUndefined();
  });

  it('is where the redirect led, as long as agent.yaml says what it said then, however it is written', () => {
    expect(placeInForce(first, placement())).toEqual(at(second, 5));
    const spelled = { url: `${first.url}/`, caFingerprint: 'AA:'.repeat(31) + 'AA' };
    expect(configuredAddress(spelled)).toEqual(first);
    expect(placeInForce(spelled, placement())).toEqual(at(second, 5));
  });

  it('is the same place where agent.yaml names it by now', () => {
    expect(placeInForce(second, placement())).toEqual(at(second, 5));
  });

  it('is that of agent.yaml again once somebody has written another one there', () => {
    expect(placeInForce(third, placement())).toBeUndefined();
    const otherCa = { ...first, caFingerprint: third.caFingerprint };
    expect(placeInForce(otherCa, placement())).toBeUndefined();
  });

  it('is the one on trial before the one to which the host would go back', () => {
    const trial = { ...at(third, 6), since: 1 };
    expect(placeInForce(first, placement({ trial }))).toMatchObject(third);
  });
});

describe('the file of where redirects led', () => {
  it('is read as it was written', async () => {
    await writePlacement(file, placement());
    expect(await readPlacement(file)).toEqual(placement());
  });

  it('is the one before where a power cut came before the new one was whole', async () => {
    await writePlacement(file, placement());
    mkdirSync(join(folder, 'place-6'));
    writeFileSync(`${file}.new`, readFileSync(file, 'utf8').slice(0, 40));
    expect(await readPlacement(file)).toEqual(placement());
    await writePlacement(file, placement({ current: at(third, 6) }));
    expect(await readPlacement(file)).toMatchObject({ current: third });
  });

  it.each([
    ['cut off', '{"v":1,'],
    ['empty', ''],
    ['of another form', '{"v":2}'],
    [
      'led out of the folder',
      JSON.stringify(placement({ current: { ...second, folder: '../x' } })),
    ],
    [
      'led to plain http',
      JSON.stringify(placement({ current: at({ ...second, url: 'http://b' }, 5) })),
    ],
  ])('that is %s counts for nothing: agent.yaml counts', async (_what, text) => {
    writeFileSync(file, text);
    expect(await readPlacement(file)).toBeUndefined();
  });
});
