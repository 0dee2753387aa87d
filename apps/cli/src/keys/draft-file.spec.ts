import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { CommandFailed } from '../errors.js';
import { writeDraftFile } from './draft-file.js';
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

  it('that cannot be written is named, and nothing is left beside it', async () => {
    const nowhere = join(folder, 'none', 'draft.json');
    for (const file of [nowhere, folder]) {
      await expect(writeDraftFile(file, {})).rejects.toThrow(CommandFailed);
      await expect(writeDraftFile(file, {})).rejects.toThrow(`cannot write ${file}: E`);
    }
    expect(await readdir(folder)).toEqual([]);
    expect(
      (await readdir(tmpdir())).filter((name) => name.startsWith(`${basename(folder)}.`)),
    ).toEqual([]);
  });
});
