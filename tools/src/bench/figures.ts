import { CommandFailed } from '../../../apps/cli/src/output/errors.js';

/** Numbers by name, as meters print them. */
export type Figures = Readonly<Record<string, number>>;

/** Reads one `NAME NUMBER` a line; throws CommandFailed. */
export function figuresIn(text: string): Figures {
  const pairs = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const figures = Object.fromEntries(pairs.map(([name = '', value]) => [name, Number(value)]));
  if (Object.values(figures).every((value) => Number.isFinite(value))) return figures;
  throw new CommandFailed(`not one NAME NUMBER a line: ${text.trim()}`);
}
