import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { durationOf } from './input/duration.js';
import { CommandLine } from './program.js';

const line = new CommandLine();

describe('the command line', () => {
  it('has every command under the name by which it is loaded', async () => {
    const all = (await line.program()).commands.map((command) => command.name());
    expect(all.filter((name) => !name.startsWith('__'))).toEqual(line.names());
    for (const name of line.names()) {
      const alone = (await line.program([name])).commands.map((command) => command.name());
      expect([name, alone.includes(name)]).toEqual([name, true]);
    }
  });

  it('loads the called command alone, wherever options stand, and all where none is called', async () => {
    const called = await line.program(['--context', 'x', 'get', 'nodes']);
    expect(called.commands.map((command) => command.name())).toEqual(['get']);
    const named = await line.program(['--context', 'vm', 'get', 'nodes']);
    expect(named.commands.map((command) => command.name())).toEqual(['get']);
    expect((await line.program(['help', 'nothing'])).commands.length).toBeGreaterThan(20);
  });

  it('shows the default of a duration as the option takes it', async () => {
    const shown = commandsUnder(await line.program()).flatMap(({ path, command }) =>
      command.options
        .filter(({ flags, defaultValue }) => DURATION.test(flags) && defaultValue !== undefined)
        .map(({ long, defaultValue, defaultValueDescription, parseArg }) => ({
          option: `${path} ${long}`,
          stands: defaultValue as unknown,
          read: readAs(parseArg, defaultValueDescription ?? String(defaultValue)),
        })),
    );
    expect(shown.map(({ option }) => option)).toEqual(
      expect.arrayContaining([' apply --timeout', ' vm getscript --ttl']),
    );
    expect(shown.filter(({ stands, read }) => stands !== read)).toEqual([]);
  });
});

const DURATION = /<(duration|time)>/;

function commandsUnder(
  parent: Command,
  path = '',
): readonly { readonly path: string; readonly command: Command }[] {
  return parent.commands.flatMap((command) => {
    const own = `${path} ${command.name()}`;
    return [{ path: own, command }, ...commandsUnder(command, own)];
  });
}

function readAs(parse: ((text: string, before: never) => unknown) | undefined, text: string) {
  try {
    if (parse !== undefined) return parse(text, undefined as never);
    // Read when the command runs: what is typed is what stands.
    durationOf('it')(text);
    return text;
  } catch (error) {
    return String(error);
  }
}
