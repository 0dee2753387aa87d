import type { Command } from 'commander';
import { loadContext } from '../client/context.js';
import { UsageError } from '../output/errors.js';
import { KINDS } from './kinds.js';
import { withControlPlane } from '../client/session.js';

/** Names are asked for only while the user waits for them: more are no help. */
const NAMES_SHOWN = '200';

/** What there is to complete; given from outside, since this is a command itself. */
interface CommandLine {
  readonly names: () => string[];
  readonly program: (words: readonly string[]) => Promise<Command>;
}

export function registerCompletion(program: Command, line: CommandLine): void {
  program
    .command('completion')
    .argument('<shell>', 'bash or zsh')
    .description('print a completion script')
    .addHelpText(
      'after',
      `
Examples:
  source <(hostward completion bash)     # in ~/.bashrc
  source <(hostward completion zsh)      # in ~/.zshrc, after compinit
It completes commands, options, kinds, and names that the control plane knows.`,
    )
    .action((shell: string) => {
      if (shell !== 'bash' && shell !== 'zsh')
        throw new UsageError(`no completion for "${shell}": use bash or zsh`);
      console.log(shell === 'bash' ? BASH : ZSH);
    });
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (words: string[]) => {
      for (const candidate of await candidates(line, words)) console.log(candidate);
    });
}

/** The shells only pass on what was typed: what can follow is known here, where the commands are. */
const BASH = `_hostward() {
  local word cur="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r word; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _hostward hostward ./hostward`;

const ZSH = `#compdef hostward
_hostward() {
  local -a found
  found=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "\${found[1]}" ]] && compadd -a found || _files
}
compdef _hostward hostward ./hostward`;

/** What may stand where the last of `words` is being typed; empty where a file is meant. */
async function candidates(line: CommandLine, words: readonly string[]): Promise<string[]> {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const program = await line.program(before);
  const { command, operands } = reached(program, before);
  const subcommands = (): string[] => (command === program ? line.names() : visible(command));
  if (typed.startsWith('-'))
    return command.options.map((option) => option.long ?? '').filter(Boolean);
  const commands = operands.length === 0 ? subcommands() : [];
  return [...commands, ...(await operandsOf(command, operands, typed))];
}

/** The command that the words before lead to, and the words that are neither commands nor options. */
function reached(
  program: Command,
  words: readonly string[],
): { command: Command; operands: string[] } {
  let command = program;
  const operands: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const option = optionOf(command, program, word);
    if (option?.required && !word.includes('=')) i++;
    if (word.startsWith('-')) continue;
    const next =
      operands.length === 0 ? command.commands.find((sub) => sub.name() === word) : undefined;
    if (next === undefined) operands.push(word);
    else command = next;
  }
  return { command, operands };
}

function optionOf(
  command: Command,
  program: Command,
  word: string,
): Command['options'][number] | undefined {
  const flag = word.split('=')[0] ?? '';
  return [...command.options, ...program.options].find(
    (option) => option.long === flag || option.short === flag,
  );
}

function visible(command: Command): string[] {
  const names = command.commands.map((sub) => sub.name());
  return names.filter((name) => !name.startsWith('__'));
}

/** Values of the arguments that have kinds or names: `<kind>`, then `<name>` of that kind. */
async function operandsOf(
  command: Command,
  operands: readonly string[],
  typed: string,
): Promise<string[]> {
  const argument =
    command.registeredArguments[operands.length] ?? command.registeredArguments.at(-1);
  switch (argument?.name() ?? '') {
    case 'kind':
      return kindsFor(command.name());
    case 'shell':
      return ['bash', 'zsh'];
    case 'policy':
      return namesOf('policies', typed);
    case 'node':
      return namesOf('nodes', typed);
    case 'name':
      return namesOf(operands[0] ?? (command.parent?.name() === 'vm' ? 'nodes' : ''), typed);
    default:
      return [];
  }
}

const ONE_KIND: Readonly<Record<string, readonly string[]>> = {
  label: ['node'],
  status: ['policy', 'node'],
  node: ['policy'],
  history: ['policy'],
  rollback: ['policy'],
  pause: ['policy'],
  resume: ['policy'],
};

function kindsFor(command: string): string[] {
  if (command === 'get') return KINDS.map((kind) => kind.plural);
  return [...(ONE_KIND[command] ?? KINDS.map((kind) => kind.singular))];
}

/** Names of a kind, where it is searched by name those that begin as `typed`. */
async function namesOf(word: string, typed: string): Promise<string[]> {
  const kind = KINDS.find((known) => known.words.includes(word));
  if (kind === undefined || !(await hasControlPlane())) return [];
  const query = { limit: NAMES_SHOWN, name: kind.searched ? `${typed}*` : undefined };
  const page = await withControlPlane((controlPlane) =>
    controlPlane.call<{ items: never[] }>(kind.path, { query }),
  );
  return page.items.map(kind.nameOf);
}

function hasControlPlane(): Promise<boolean> {
  return loadContext().then(
    () => true,
    () => false,
  );
}
