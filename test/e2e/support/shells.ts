import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { cleanEnvironment } from './product.js';
import { CLI } from './running-command.js';

const SEPARATOR = '\u001f';

/** Where a shell is, if it is installed. */
export function shellPath(name: 'bash' | 'zsh'): string | undefined {
  return [`/bin/${name}`, `/usr/bin/${name}`, `/usr/local/bin/${name}`].find((path) =>
    existsSync(path),
  );
}

/** What a shell that has sourced our script offers where the last word of each line is typed. */
export async function completions(
  shell: string,
  lines: readonly (readonly string[])[],
  env: NodeJS.ProcessEnv,
): Promise<string[][]> {
  const [script, flag] = shell.endsWith('zsh') ? [ZSH, '-f'] : [BASH, '--norc'];
  const typed = lines.map((words) => ['hostward', ...words].join(SEPARATOR));
  const { stdout } = await promisify(execFile)(shell, [flag, '-c', script, 'test', ...typed], {
    env: { ...cleanEnvironment(), ...env, NODE: execPath, CLI_ARGS: CLI.join(' ') },
  });
  const answers = stdout.split(`${SEPARATOR}\n`).slice(0, -1);
  return answers.map((answer) => answer.split('\n').filter((line) => line !== ''));
}

/** The shells' own functions do the rest: bash reads COMPREPLY, zsh gives the array that compadd names to its lists. */
const BASH = `set -u
hostward() { "$NODE" $CLI_ARGS "$@"; }
source <(hostward completion bash)
complete -p hostward >/dev/null || exit 1
for line in "$@"; do
  mapfile -t -d $'\\x1f' COMP_WORDS < <(printf '%s\\x1f' "$line")
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _hostward
  printf '%s\\n' "\${COMPREPLY[@]}"
  printf '\\x1f\\n'
done`;

const ZSH = `hostward() { "$NODE" \${=CLI_ARGS} "$@" }
autoload -Uz compinit && compinit -u -D
source <(hostward completion zsh)
[[ -n "\${_comps[hostward]}" ]] || exit 1
compadd() { local name="\${@[-1]}"; print -rl -- "\${(@M)\${(@P)name}:#\${words[-1]}*}" }
_files() { print -- FILES }
for line in "$@"; do
  words=("\${(@ps:\\x1f:)line}")
  CURRENT=$#words
  _hostward
  printf '\\x1f\\n'
done`;
