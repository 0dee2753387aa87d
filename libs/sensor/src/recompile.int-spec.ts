import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { sampleFields, type SampleTable } from './fixtures/sample-policy.js';
import { compileSample, rejectAs } from './fixtures/scripted-compiler.js';
import {
  applyConfirmed,
  enforced,
  envelope,
  host,
  assignmentVersionOf,
  sensor,
  severalChecks,
  stateWhen,
  useSensorHost,
} from './fixtures/sensor-under-test.js';
import { encodeFrame, type Frame, MSG, TAG } from './protocol.js';

useSensorHost();

describe('a rule set that changes by itself', () => {
  const kernelHas = async (mark: string): Promise<void> => {
    const end = AbortSignal.timeout(90_000);
    while (!(await host.kernel())['hostward']?.includes(mark)) {
      if (end.aborted) throw new Error(`never ${mark}: ${host.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const damage = async (name: string): Promise<void> => {
    const file = await open(join(host.dir, 'state', name), 'r+');
    await file.write('XXXX', 40);
    await file.close();
  };
  /** 5 is the last known good, and the snapshot of 6, which was in force, is damaged. */
  const loseNewest = async (): Promise<void> => {
    await host.start();
    await applyConfirmed({ generation: 5 });
    await applyConfirmed({ generation: 6 });
    await host.stop('SIGKILL');
    await damage('snapshot');
  };
  const answerWith = (change: Partial<SampleTable>) => (request: Frame) => {
    const table = JSON.parse(request.fields.text(TAG.ENVELOPE) ?? '') as SampleTable;
    return encodeFrame(MSG.COMPILED, request.request, sampleFields({ ...table, ...change }));
  };

  it('is compiled anew from its own envelope when an exception ends, and must be confirmed again', async () => {
    await host.start();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 500 });
    host.compiler.script = answerWith({ mark: 'ended', validUntil: undefined });
    await kernelHas('enforce-ended');
    expect(await sensor.status()).toMatchObject({
      assignmentVersion: assignmentVersionOf(5),
      highest: assignmentVersionOf(5),
      outcome: { ok: true },
      confirm: { state: 'waiting' },
    });
    const asked = host.compiler.requests.map(({ fields }) => fields.text(TAG.ENVELOPE));
    expect(new Set(asked).size).toBe(1);
    const again = host.compiler.requests.map(({ fields }) => fields.number(TAG.AGAIN));
    expect(again).toEqual([undefined, 1n]);
    expect(host.log).toMatch(/compiled anew reason=an exception has ended/);
  });

  it('is tried again at once with more time, where there was too little', async () => {
    await host.start();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 500 });
    host.compiler.script = (request) => {
      host.compiler.script = answerWith({ mark: 'ended', validUntil: undefined });
      return rejectAs('compiler-timeout')(request);
    };
    await kernelHas('enforce-ended');
  });

  it('remembers over a restart which end has passed, and tells the compiler: no clock brings an exception back', async () => {
    await host.start();
    const validUntil = Date.now() + 500;
    await applyConfirmed({ generation: 5, validUntil });
    host.compiler.script = answerWith({ mark: 'ended', validUntil: undefined });
    await kernelHas('enforce-ended');
    await sensor.confirm(assignmentVersionOf(5));
    await host.stop('SIGKILL');
    host.compiler.script = answerWith({ mark: 'after-boot', validUntil: undefined });
    await host.start();
    await kernelHas('enforce-after-boot');
    const told = host.compiler.requests.map(({ fields }) => fields.number(TAG.ENDED_AT));
    expect(told).toEqual([undefined, BigInt(validUntil), BigInt(validUntil)]);
  });

  it('does so over a restart too, which is a reason by itself: kernel and parser may be others', async () => {
    await host.start();
    await applyConfirmed({ generation: 5 });
    await host.stop('SIGKILL');
    host.compiler.script = answerWith({ mark: 'other-kernel' });
    await host.start();
    await kernelHas('enforce-other-kernel');
    expect(host.log).toMatch(/compiled anew reason=at start/);
  });

  it('does so when profiles of others come or go', async () => {
    await host.start();
    await applyConfirmed({ generation: 5 });
    host.compiler.script = answerWith({ mark: 'beside-mysqld' });
    await writeFile(join(host.dir, 'security/apparmor/profiles'), 'mysqld (enforce)\n');
    await kernelHas('enforce-beside-mysqld');
    expect(host.log).toMatch(/compiled anew reason=the host changed/);
  });

  it('waits for a rule set that is on its way, and is made of that one: an older envelope would be refused', async () => {
    await host.start('--compile-timeout', '60000');
    await applyConfirmed({ generation: 5 });
    const { promise, resolve } = Promise.withResolvers<void>();
    host.compiler.script = (request) => promise.then(() => compileSample(request));
    const taken = sensor.apply(envelope({ generation: 6 }));
    await stateWhen(() => host.compiler.requests.length === 2);
    host.compiler.script = answerWith({ mark: 'beside-mysqld' });
    await writeFile(join(host.dir, 'security/apparmor/profiles'), 'mysqld (enforce)\n');
    await severalChecks();
    resolve();
    await taken;
    await sensor.confirm(assignmentVersionOf(6));
    await kernelHas('enforce-beside-mysqld');
    const [, ...asked] = host.compiler.requests.map(({ fields }) => fields.text(TAG.ENVELOPE));
    expect(new Set(asked).size).toBe(1);
  });

  it('keeps what is in force where the compiler refuses, and leaves it alone when nothing changes', async () => {
    await host.start();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 300 });
    host.compiler.script = rejectAs('not-enrolled');
    // That the end has passed is remembered whatever the compiler says.
    await stateWhen(() => host.log.includes('reason=an exception has ended'));
    const before = await enforced();
    expect(before).toMatchObject({ kernel: { hostward: expect.stringContaining('enforce-5') } });
    await stateWhen(() => host.log.includes('code=not-enrolled'));
    expect(await enforced()).toEqual(before);
    host.compiler.script = compileSample;
    await applyConfirmed({ generation: 6 });
    const asked = host.compiler.requests.length;
    await writeFile(join(host.dir, 'security/apparmor/profiles'), 'hostward (enforce)\n');
    await sensor.recheck();
    await sensor.recheck();
    expect(host.compiler.requests).toHaveLength(asked);
  });

  it('is brought back by its envelope where its snapshot was damaged', async () => {
    await loseNewest();
    await host.start();
    await kernelHas('enforce-6');
    const state = await stateWhen(({ outcome }) => outcome.ok);
    expect(state).toMatchObject({
      assignmentVersion: assignmentVersionOf(6),
      confirm: { state: 'waiting' },
    });
    expect(host.log).toMatch(/compiled anew reason=at start/);
  });

  it('is brought back by the same assignment where its envelope is gone too', async () => {
    await loseNewest();
    await rm(join(host.dir, 'state/envelope'));
    await host.start();
    expect(await sensor.status()).toMatchObject({
      assignmentVersion: assignmentVersionOf(5),
      highest: assignmentVersionOf(6),
    });
    await applyConfirmed({ generation: 6 });
    expect(await sensor.status()).toMatchObject({
      assignmentVersion: assignmentVersionOf(6),
      outcome: { ok: true },
    });
  });

  it('unloaded at the console while it is compiled anew, it stays unloaded until it is resumed', async () => {
    await host.start('--compile-timeout', '60000');
    const { promise, resolve } = Promise.withResolvers<void>();
    await applyConfirmed({ generation: 5, validUntil: Date.now() + 500 });
    const asked = host.compiler.requests.length;
    const ended = answerWith({ mark: 'ended', validUntil: undefined });
    host.compiler.script = (request) => promise.then(() => ended(request));
    await stateWhen(() => host.compiler.requests.length > asked);
    await host.verb('unload');
    resolve();
    await severalChecks();
    expect((await host.kernel())['hostward']).not.toContain('enforce');
    expect(await sensor.status()).toMatchObject({ mode: 'off' });
    await host.verb('resume');
    await kernelHas('enforce-5');
  });

  it('is not while the console has unloaded it', async () => {
    await host.start();
    const validUntil = Date.now() + 5_000;
    await applyConfirmed({ generation: 5, validUntil });
    await host.verb('unload');
    const asked = host.compiler.requests.length;
    await stateWhen(() => Date.now() > validUntil + 1_000); // several checks after its end
    expect(host.compiler.requests).toHaveLength(asked);
    host.compiler.script = answerWith({ mark: 'ended', validUntil: undefined });
    await host.verb('resume');
    await sensor.confirm(assignmentVersionOf(5));
    await kernelHas('enforce-ended');
  });
});
