import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeFrame, FrameDecoder, ProtocolError, ShapeError } from '#sensor';
import { OPTIONAL_TAGS } from '../../libs/sensor/src/protocol.js';
import { buildNative } from '../../libs/sensor/src/fixtures/native-build.js';
import { parseSensorEvent, parseSensorState } from '../../libs/sensor/src/state.js';
import { SEED, corpusFolder, deadlineFor, fuzzCorpus, say, timeFor } from './support/run.js';

const BUILD_MS = 300_000;
const MAX_INPUT_BYTES = 16_384;

describe('what the agent reads of its sensor', () => {
  it(
    'is the same frames however the stream is cut, each written as it came, or the connection ends',
    () => fuzzCorpus('sensor-frame', 0.1, { target: checkFrames }),
    deadlineFor(0.1),
  );

  it(
    'is a state or an event, or is refused',
    () => {
      const target = (input: Buffer): void => {
        for (const parse of [parseSensorState, parseSensorEvent])
          refusing(ShapeError, () => parse(input.toString('utf8')));
      };
      return fuzzCorpus('sensor-state', 0.1, { language: 'json', target });
    },
    deadlineFor(0.1),
  );
});

function checkFrames(input: Buffer): void {
  const whole = framesOf([input]);
  const bytes = Array.from(input, (_byte, at) => input.subarray(at, at + 1));
  // What stood before a broken frame in one chunk goes with it; cut finer, it comes out first.
  if (!framesOf(bytes).join('').startsWith(whole.join('')))
    throw new Error('the cuts changed the frames');
  if (!withoutOptional(input).startsWith(whole.join(''))) throw new Error('not written as read');
}

/** In hex, all that is to be read: without fields that a later version may add, up to the first frame that is not whole. */
function withoutOptional(input: Buffer): string {
  const [header, fieldHeader, lengthAt] = [16, 8, 8];
  let text = '';
  for (let at = 0; at + header <= input.length;) {
    const end = at + header + input.readUInt32LE(at + lengthAt);
    const kept: Buffer[] = [];
    let field = at + header;
    while (field + fieldHeader <= end && end <= input.length) {
      const next = field + fieldHeader + input.readUInt32LE(field + 4);
      if (next > end) break;
      if (input.readUInt16LE(field) < OPTIONAL_TAGS) kept.push(input.subarray(field, next));
      field = next;
    }
    if (field !== end) return text;
    const frame = Buffer.concat([input.subarray(at, at + header), ...kept]);
    frame.writeUInt32LE(frame.length - header, lengthAt);
    text += frame.toString('hex');
    at = end;
  }
  return text;
}

/** Each frame that came out before the stream ended or broke, written anew, in hex. */
function framesOf(chunks: readonly Buffer[]): readonly string[] {
  const decoder = new FrameDecoder();
  const frames: string[] = [];
  refusing(ProtocolError, () => {
    for (const chunk of chunks)
      for (const { type, request, fields } of decoder.push(chunk))
        frames.push(Buffer.from(encodeFrame(type, request, fields.list)).toString('hex'));
  });
  return frames;
}

function refusing(refusal: new (...args: never[]) => Error, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof refusal)) throw error;
  }
}

/** The runtime of libFuzzer is a package of its own. */
const hasLibFuzzer = readdirSync('/usr/lib')
  .filter((name) => name.startsWith('llvm-'))
  .some((name) => runtimesOf(join('/usr/lib', name, 'lib/clang')).length > 0);

function runtimesOf(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /libclang_rt\.fuzzer(-\w+)?\.a$/.test(name));
}

const native = hasLibFuzzer ? describe : describe.skip;
native('what the sensor reads, under ASan and UBSan (needs libclang-rt-dev)', () => {
  let folder: string;
  let program: string;
  beforeAll(async () => {
    program = join(await buildNative('fuzz'), 'sanitize/fuzz');
    folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hostward-fuzz-'));
  }, BUILD_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([
    ['frame', 'header and fields of a message'],
    ['table', 'what a compiler answers'],
    ['blob', 'binary policy for the kernel'],
    ['audit', 'records of the kernel’s audit'],
    ['snapshot', 'the table of the last boot'],
    ['memory', 'what it kept of its past'],
    ['usb', 'what a device says of itself'],
  ])(
    'as %s, %s, is refused or sound',
    async (parser) => {
      await mkdir(join(folder, `found-${parser}`));
      const { stderr } = await promisify(execFile)(program, argumentsFor(parser), {
        env: { ...process.env, HOSTWARD_FUZZ: parser, HOSTWARD_FUZZ_DIR: folder },
        maxBuffer: 64 * 1024 * 1024,
      });
      const inputs = Number(/number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1] ?? 0);
      expect(inputs).toBeGreaterThan(0);
      say(`sensor-${parser}`, inputs);
    },
    deadlineFor(0.12),
  );

  /** A crash fails the run, and what it printed holds the input in base64. */
  function argumentsFor(parser: string): string[] {
    return [
      `-max_total_time=${Math.ceil(timeFor(0.12) / 1000)}`,
      `-seed=${SEED}`,
      `-max_len=${MAX_INPUT_BYTES}`,
      '-timeout=20',
      '-print_final_stats=1',
      '-verbosity=0',
      `-artifact_prefix=${folder}/`,
      `-dict=${corpusFolder('sensor.dict')}`,
      // The first folder takes what is found to be new; the kept corpus is only read.
      join(folder, `found-${parser}`),
      corpusFolder(`sensor-${parser}`),
    ];
  }
});
