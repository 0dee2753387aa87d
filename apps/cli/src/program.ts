import { Command } from 'commander';
import { chooseContext } from './commands/session.js';
import { isSourceTree } from './package-root.js';
import { productVersion } from './product-version.js';

type Register = (program: Command) => void;

interface Part {
  /** What it registers, hidden commands included. */
  readonly names: readonly string[];
  readonly load: () => Promise<Register>;
}

/**
 * The commands in the order in which help shows them, by what a person wants to do. Each is loaded only when it is
 * called: a table of hosts must not wait for what a VM lab needs.
 */
const GROUPS: Readonly<Record<string, readonly Part[]>> = {
  'On this machine:': [
    part(['up', 'down'], async () => (await import('./commands/up.js')).registerUp),
    part(['passphrase'], async () => (await import('./commands/passphrase.js')).registerPassphrase),
    part(['backup', 'restore'], async () => (await import('./commands/backup.js')).registerBackup),
    ...ofSources(['demo'], async () => (await import('./commands/demo.js')).registerDemo),
    ...ofSources(['lab'], async () => (await import('./commands/lab.js')).registerLab),
  ],
  'Policies:': [
    part(['key'], async () => (await import('./commands/key.js')).registerKey),
    part(['sign'], async () => (await import('./commands/sign.js')).registerSign),
    part(['root'], async () => (await import('./commands/root.js')).registerRoot),
    part(['apply'], async () => (await import('./commands/apply.js')).registerApply),
    part(['diff'], async () => (await import('./commands/diff.js')).registerDiff),
    part(['validate'], async () => (await import('./commands/validate.js')).registerValidate),
    part(
      ['history', 'rollback', 'pause', 'resume'],
      async () => (await import('./commands/policy-life.js')).registerPolicyLife,
    ),
  ],
  'Hosts:': [
    part(['bootstrap'], async () => (await import('./commands/bootstrap.js')).registerBootstrap),
    part(['create'], async () => (await import('./commands/create.js')).registerCreate),
    part(['label'], async () => (await import('./commands/label.js')).registerLabel),
    part(['node'], async () => (await import('./commands/node.js')).registerNode),
    part(['bundle'], async () => (await import('./commands/bundle.js')).registerBundle),
    part(['vm'], async () => (await import('./commands/vm.js')).registerVm),
    part(['ca'], async () => (await import('./commands/ca.js')).registerCa),
    part(['redirect'], async () => (await import('./commands/redirect.js')).registerRedirect),
  ],
  'People:': [
    part(
      ['login', 'logout', 'whoami'],
      async () => (await import('./commands/login.js')).registerLogin,
    ),
    part(['audit-log'], async () => (await import('./commands/audit-log.js')).registerAuditLog),
  ],
  'What is, and why:': [
    part(['get'], async () => (await import('./commands/get.js')).registerGet),
    part(['describe'], async () => (await import('./commands/describe.js')).registerDescribe),
    part(['status'], async () => (await import('./commands/status.js')).registerStatus),
    part(['logs'], async () => (await import('./commands/logs.js')).registerLogs),
    part(['explain'], async () => (await import('./commands/explain.js')).registerExplain),
    part(['export'], async () => (await import('./commands/export.js')).registerExport),
    part(['doctor'], async () => (await import('./commands/doctor.js')).registerDoctor),
  ],
  'Brakes:': [
    part(['breakglass'], async () => (await import('./commands/breakglass.js')).registerBreakglass),
    part(['exception'], async () => (await import('./commands/exception.js')).registerException),
    part(['delete'], async () => (await import('./commands/delete.js')).registerDelete),
    part(['recover'], async () => (await import('./commands/recover.js')).registerRecover),
  ],
  'More:': [
    part(['sim'], async () => (await import('./commands/sim.js')).registerSim),
    part(['context'], async () => (await import('./commands/context.js')).registerContext),
    part(['version'], async () => (await import('./commands/version.js')).registerVersion),
    part(['completion', '__complete'], async () => {
      const { registerCompletion } = await import('./commands/completion.js');
      return (program) => registerCompletion(program, { commandNames, createProgram });
    }),
    ...ofSources(['test'], async () => (await import('./commands/test.js')).registerTest),
    ...ofSources(['package'], async () => (await import('./commands/package.js')).registerPackage),
    ...ofSources(['sbom'], async () => (await import('./commands/sbom.js')).registerSbom),
    ...ofSources(['audit'], async () => (await import('./commands/audit.js')).registerAudit),
    ...ofSources(['bench'], async () => (await import('./commands/bench.js')).registerBench),
  ],
};

const EXAMPLES = `
First steps:
  hostward up --detach
  hostward apply -f policy.yaml --wait
  hostward status policy NAME
  hostward logs -f
Exit codes: 0 done, 1 failed or not in force, 2 wrong usage.`;

/** Names of all commands that a person may call. */
export function commandNames(): string[] {
  const names = Object.values(GROUPS).flatMap((parts) => parts.flatMap((each) => each.names));
  return names.filter((name) => !name.startsWith('__'));
}

/**
 * The command line with the command that `words` call, or with all where they call none that there is. Every failure
 * is thrown, so that main.ts alone decides about exit codes.
 */
export async function createProgram(words: readonly string[] = []): Promise<Command> {
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
  const called = words.find((word, i) => words[i - 1] !== '--context' && calls(word) !== undefined);
  const one = called === undefined ? undefined : calls(called);
  for (const [title, parts] of Object.entries(GROUPS)) {
    program.commandsGroup(title);
    for (const each of parts) if (one === undefined || each === one) (await each.load())(program);
  }
  return program;
}

function calls(word: string): Part | undefined {
  return Object.values(GROUPS)
    .flat()
    .find((each) => each.names.includes(word));
}

/** A command that works on the sources: an installed program has none. */
function ofSources(names: readonly string[], load: Part['load']): readonly Part[] {
  return isSourceTree() ? [part(names, load)] : [];
}

function part(names: readonly string[], load: Part['load']): Part {
  return { names, load };
}
