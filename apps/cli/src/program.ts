import { Command } from 'commander';
import { registerApply } from './commands/apply.js';
import { registerBench } from './commands/bench.js';
import { registerBreakglass } from './commands/breakglass.js';
import { registerCompletion } from './commands/completion.js';
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
import { registerStatus } from './commands/status.js';
import { registerTest } from './commands/test.js';
import { registerUp } from './commands/up.js';
import { registerValidate } from './commands/validate.js';
import { registerVersion } from './commands/version.js';
import { registerVm } from './commands/vm.js';

/** The whole command line; every failure is thrown, so that main.ts alone decides about exit codes. */
export function createProgram(): Command {
  const program = new Command('hostward')
    .description('Security policies for a fleet of hosts that no Kubernetes manages')
    .showHelpAfterError('(add --help for what it takes)')
    .exitOverride();
  const registrations = [
    registerUp,
    registerDemo,
    registerLab,
    registerApply,
    registerDiff,
    registerValidate,
    registerGet,
    registerDescribe,
    registerDelete,
    registerCreate,
    registerLabel,
    registerStatus,
    registerPolicyLife,
    registerException,
    registerBreakglass,
    registerExplain,
    registerLogs,
    registerVm,
    registerVersion,
    registerTest,
    registerBench,
    registerCompletion,
  ];
  registrations.forEach((register) => register(program));
  return program;
}
