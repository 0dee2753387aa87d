import type { Command } from 'commander';
import { UsageError } from '../errors.js';

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .argument('<shell>', 'bash or zsh')
    .description('print a completion script')
    .addHelpText('after', '\nExample:\n  source <(hostward completion bash)')
    .action((shell: string) => {
      if (shell !== 'bash' && shell !== 'zsh')
        throw new UsageError(`no completion for "${shell}": use bash or zsh`);
      console.log(script(program, shell));
    });
}

/** A script made from the commands that there are, so that it cannot name one that does not exist. */
function script(program: Command, shell: 'bash' | 'zsh'): string {
  const cases = program.commands.map(
    (command) => `    ${command.name()}) words="${wordsOf(command)}" ;;`,
  );
  const lines = [
    '_hostward() {',
    '  local words cur="${COMP_WORDS[COMP_CWORD]}"',
    '  case "${COMP_WORDS[1]}" in',
    ...cases,
    '  esac',
    `  [ "$COMP_CWORD" -gt 1 ] || words="${program.commands.map((command) => command.name()).join(' ')}"`,
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    '}',
    'complete -o default -F _hostward hostward',
  ];
  return shell === 'bash'
    ? lines.join('\n')
    : ['autoload -U +X bashcompinit && bashcompinit', ...lines].join('\n');
}

function wordsOf(command: Command): string {
  const options = command.options.map((option) => option.long ?? option.short ?? '');
  return [...command.commands.map((sub) => sub.name()), ...options].join(' ');
}
