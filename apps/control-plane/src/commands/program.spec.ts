import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ConfigError } from '../config/index.js';
import { controlPlaneProgram } from './program.js';

let printed: string[];
beforeEach(() => {
  printed = [];
  const keep = (text: unknown) => printed.push(String(text)) > 0;
  jest.spyOn(process.stderr, 'write').mockImplementation(keep);
  jest.spyOn(process.stdout, 'write').mockImplementation(keep);
});
afterEach(() => void jest.restoreAllMocks());

const call = (...words: string[]) => controlPlaneProgram().parseAsync(words, { from: 'user' });

describe('the command line of the control plane', () => {
  it.each<[string, string[], string]>([
    ['no folder is named', ['init'], "required option '--data-dir <folder>' not specified"],
    ['no configuration is named', ['serve'], "required option '--config <file>' not specified"],
    ['a flag is misspelt', ['check', '--config', 'x', '--deep'], "unknown option '--deep'"],
    ['a command is misspelt', ['serv'], "unknown command 'serv'"],
    ['two backups are named', ['restore', 'a', 'b', '--data-dir=d', '--etcd-dir=e'], 'too many'],
  ])('is refused, and says why, where %s', async (_title, words, why) => {
    await expect(call(...words)).rejects.toMatchObject({ exitCode: 1 });
    expect(printed.join('')).toContain(why);
  });

  it.each(['init', 'serve', 'restore'])('has help for %s, which is no failure', async (name) => {
    await expect(call(name, '--help')).rejects.toMatchObject({ exitCode: 0 });
    expect(printed.join('')).toContain(`Usage: control-plane ${name}`);
  });

  it('says what is wrong with a configuration', async () => {
    await expect(call('check', '--config', '/nonexistent')).rejects.toThrow(ConfigError);
  });
});
