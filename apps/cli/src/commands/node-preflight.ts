import type { Command } from 'commander';
import { findingText, shellWord, type Finding } from '#contracts';
import { failureOf, HostFailure } from '../bootstrap/failure.js';
import { readAccess } from '../bootstrap/login-options.js';
import { onEachHost, type LogIn } from '../bootstrap/on-each-host.js';
import { parseVerdicts, preflightScript, preflightText } from '../bootstrap/preflight.js';
import type { Target } from '../bootstrap/target.js';
import { loadContext } from '../client/context.js';
import { CommandFailed } from '../output/errors.js';
import { hostsOrigin } from '../input/hosts-origin.js';
import { printable } from '../output/printable.js';
import {
  addLoginFlags,
  interruption,
  machinesOf,
  targetsOf,
  tell,
  type LoginFlags,
} from './login-flags.js';
import { chosenContext } from '../client/session.js';
import { hosts } from '../output/counted.js';

interface Options extends LoginFlags {
  readonly controlPlane?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** What was found on one machine; a login that failed is a check that failed. */
interface Examined {
  readonly target: string;
  readonly findings: readonly Finding[];
}

const PREFLIGHT_MS = 60_000;

/** Of `node`: what would keep a machine from being a host, or hurts where it is one. */
export function registerNodePreflight(node: Command): void {
  const command = node
    .command('preflight')
    .argument('[hosts...]', 'user@host or user@host:port')
    .option('--control-plane <url>', 'as the hosts reach it, if not as you do')
    .option('--all', 'also what is well')
    .option('--json', 'one JSON object a host and line')
    .description('look at machines over ssh: can they be hosts?')
    .addHelpText(
      'after',
      `
Examples:
  hostward node preflight root@web1.example admin@10.0.0.5
  hostward node preflight --inventory hosts.txt --json
It changes nothing, needs no root and nothing installed there, and looks at
hosts that have enrolled too. On the host: hostward-agent preflight. Exit code 1
where a check has failed; a warning is none.`,
    )
    .action(preflight);
  addLoginFlags(command);
}

async function preflight(words: string[], options: Options): Promise<void> {
  const targets = await targetsOf(words, options);
  const { controlPlane: given } = options;
  const known = given ?? (await loadContext(chosenContext())).url;
  const machines = machinesOf(targets, options);
  const script = {
    line: preflightScript(hostsOrigin({ given, known, machines })),
    text: await preflightText(),
  };
  const access = await readAccess(options);
  const { signal, done } = interruption();
  try {
    const reach = { access, concurrency: options.concurrency, signal };
    const examined = await onEachHost(targets, reach, async (target, logIn) => {
      tell(target, 'looking');
      return { target: target.text, findings: await examine(target, logIn, script, signal) };
    });
    print(examined, options);
  } finally {
    done();
  }
}

async function examine(
  target: Target,
  logIn: LogIn,
  { line, text: input }: { readonly line: string; readonly text: string },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  try {
    const session = await logIn();
    const { code, stdout, stderr } = await session.exec(`sh -c ${shellWord(line)}`, {
      ...{ input, timeoutMs: PREFLIGHT_MS, signal },
    });
    if (code !== 0) throw new HostFailure('unforeseen', stderr.trim() || `it ended with ${code}`);
    return parseVerdicts(stdout);
  } catch (error) {
    const { code, message: cause, remedy } = failureOf(error);
    return [{ check: code, verdict: 'failed', cause, remedy }];
  }
}

function print(examined: readonly Examined[], { all, json }: Options): void {
  for (const { target, findings } of examined) {
    if (json) {
      console.log(JSON.stringify({ target, findings }));
      continue;
    }
    const told = findings.filter(({ verdict }) => all === true || verdict !== 'ok');
    console.log(`${target}: ${summary(findings)}`);
    for (const finding of told) process.stdout.write(indented(findingText(shown(finding))));
  }
  const out = examined.filter(({ findings }) => findings.some(isFailed));
  if (out.length > 0)
    throw new CommandFailed(
      `${out.length} of ${hosts(examined.length)} cannot be a host as it is`,
      'mend what is named and look again',
    );
}

function summary(findings: readonly Finding[]): string {
  const failures = findings.filter(isFailed).length;
  const warnings = findings.filter(({ verdict }) => verdict === 'warning').length;
  return `${findings.length === 1 ? '1 check' : `${findings.length} checks`}, ${failures} failed, ${warnings} to be known`;
}

function isFailed({ verdict }: Finding): boolean {
  return verdict === 'failed';
}

/** A machine says what it likes: nothing of it may move the cursor. */
function shown({ check, verdict, cause, remedy }: Finding): Finding {
  return { check: printable(check), verdict, cause: printable(cause), remedy: printable(remedy) };
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
