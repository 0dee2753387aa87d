import { Command } from 'commander';
import { registerApply } from './commands/apply.js';
import { registerBench } from './commands/bench.js';
import { registerBreakglass } from './commands/breakglass.js';
import { registerCompletion } from './commands/completion.js';
import { registerContext } from './commands/context.js';
import { registerCreate } from './commands/create.js';
import { registerDelete } from './commands/delete.js';
import { registerDemo } from './commands/demo.js';
import { registerDescribe } from './commands/describe.js';
import { registerDiff } from './commands/diff.js';
import { registerException } from './commands/exception.js';
import { registerExplain } from './commands/explain.js';
import { registerGet } from './commands/get.js';
import { registerLabel } from './commands/label.js';
import { registerLab } from './commands/lab.js';
import { registerLogs } from './commands/logs.js';
import { registerPolicyLife } from './commands/policy-life.js';
import { chooseContext } from './commands/session.js';
import { registerStatus } from './commands/status.js';
import { registerTest } from './commands/test.js';
import { registerUp } from './commands/up.js';
import { registerValidate } from './commands/validate.js';
import { productVersion, registerVersion } from './commands/version.js';
import { registerVm } from './commands/vm.js';

type Register = (program: Command) => void;

/** The commands in the order in which help shows them, by what a person wants to do. */
const GROUPS: Readonly<Record<string, readonly Register[]>> = {
  'On this machine:': [registerUp, registerDemo, registerLab],
  'Policies:': [registerApply, registerDiff, registerValidate, registerPolicyLife],
  'Hosts:': [registerCreate, registerLabel, registerVm],
  'What is, and why:': [
    registerGet,
    registerDescribe,
    registerStatus,
    registerLogs,
    registerExplain,
  ],
  'Brakes:': [registerBreakglass, registerException, registerDelete],
  'More:': [registerContext, registerVersion, registerCompletion, registerTest, registerBench],
};

const EXAMPLES = `
First steps:
  hostward up --detach
  hostward apply -f policy.yaml --wait
  hostward status policy NAME
  hostward logs -f
Exit codes: 0 done, 1 failed or not in force, 2 wrong usage.`;

/** The whole command line; every failure is thrown, so that main.ts alone decides about exit codes. */
export function createProgram(): Command {
  const program = new Command('hostward')
    .description('Security policies for a fleet of hosts that no Kubernetes manages')
    .option('--context <name>', 'the control plane to ask, of `hostward context list`')
    .version(`hostward ${productVersion()}`)
    .showHelpAfterError('(add --help for what it takes)')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .hook('preAction', (_program, action) => {
      chooseContext(action.optsWithGlobals<{ context?: string }>().context);
    });
  program.addHelpCommand(
    new Command('help').argument('[command]').description('explain a command').helpGroup('More:'),
  );
  for (const [title, registrations] of Object.entries(GROUPS)) {
    program.commandsGroup(title);
    registrations.forEach((register) => register(program));
  }
  return program;
}
