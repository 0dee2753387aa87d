import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { Lab, stageHost } from '#testing';
import { eventually } from './support/eventually.js';
import { processesOf } from './support/processes.js';
import { projectRoot } from './support/product.js';
import { RunningCommand } from './support/running-command.js';

const MINUTE = 60_000;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-demo-spec-'));
  // What the first demo on a machine makes.
  await stageHost(projectRoot);
  await (await Lab.open()).close();
}, 20 * MINUTE);
afterAll(async () => {
  for (const pid of await processesOf(folder)) kill(pid, 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

it(
  'Ctrl-C in the demo ends its control plane, and leaves nothing',
  async () => {
    const demo = RunningCommand.tool(['demo'], { env: { TMPDIR: folder } });
    await eventually('its control plane starts', 2 * MINUTE, async () => {
      const pids = await processesOf(folder);
      return pids.length > 1;
    });
    demo.signal('SIGINT');
    const { code, stderr } = await demo.ended;
    expect(await processesOf(folder)).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('interrupted; everything was stopped'),
    });
  },
  10 * MINUTE,
);
