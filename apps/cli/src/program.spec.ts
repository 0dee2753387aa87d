import { describe, expect, it } from '@jest/globals';
import { commandNames, createProgram } from './program.js';

describe('the command line', () => {
  it('has every command under the name by which it is loaded', async () => {
    const all = (await createProgram()).commands.map((command) => command.name());
    expect(all.filter((name) => !name.startsWith('__'))).toEqual(commandNames());
    for (const name of commandNames()) {
      const alone = (await createProgram([name])).commands.map((command) => command.name());
      expect([name, alone.includes(name)]).toEqual([name, true]);
    }
  });

  it('loads the called command alone, wherever options stand, and all where none is called', async () => {
    const called = await createProgram(['--context', 'x', 'get', 'nodes']);
    expect(called.commands.map((command) => command.name())).toEqual(['get']);
    const named = await createProgram(['--context', 'vm', 'get', 'nodes']);
    expect(named.commands.map((command) => command.name())).toEqual(['get']);
    expect((await createProgram(['help', 'nothing'])).commands.length).toBeGreaterThan(20);
  });
});
