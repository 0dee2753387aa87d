import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed } from '../output/errors.js';
import { readRedirectDraft } from './redirect-draft.js';
import { readDraft } from './root-draft.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-draft-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the file of a draft', () => {
  it.each(['null', '[1]', '7'])('that holds %s is none, and the refusal says so', async (text) => {
    const file = join(folder, 'draft.json');
    await writeFile(file, text);
    for (const read of [readDraft, readRedirectDraft]) {
      await expect(read(file)).rejects.toThrow(CommandFailed);
      await expect(read(file)).rejects.toThrow('it holds no JSON object');
    }
  });
});
