import { Command } from 'commander';
import { chooseContext } from './client/session.js';
import { productVersion } from './product/product-version.js';

type Register = (program: Command) => void;

/** Commands that one module registers. */
export interface Part {
  /** What it registers, hidden commands included. */
  readonly names: readonly string[];
  readonly load: () => Promise<Register>;
}

/** Parts by the title under which help shows their commands. */
export type Groups = Readonly<Record<string, readonly Part[]>>;

/**
 * The commands in the order in which help shows them, by what a person wants to do. Each is loaded only when it is
 * called: a table of hosts must not wait for what a start of everything needs.
 */
const PRODUCT: Groups = {
  'On this machine:': [
    part(['up', 'down'], async () => (await import('./commands/up.js')).registerUp),
    part(['passphrase'], async () => (await import('./commands/passphrase.js')).registerPassphrase),
    part(['backup', 'restore'], async () => (await import('./commands/backup.js')).registerBackup),
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
  ],
};

const EXAMPLES = `
First steps:
  hostward up --detach
  hostward apply -f policy.yaml --wait
  hostward status policy NAME
  hostward logs -f
Exit codes: 0 done, 1 failed or not in force, 2 wrong usage.`;

/** The commands of the product, and those of `more` below them. */
export class CommandLine {
  readonly #groups: Groups;

  constructor(more: Groups = {}) {
    const completion = part(['completion', '__complete'], async () => {
      const { registerCompletion } = await import('./commands/completion.js');
      return (program) => registerCompletion(program, this);
    });
    this.#groups = { ...PRODUCT, 'More:': [...(PRODUCT['More:'] ?? []), completion], ...more };
  }

  /** Names of all commands that a person may call. */
  names(): string[] {
    return this.#parts.flatMap(({ names }) => names).filter((name) => !name.startsWith('__'));
  }

  /**
   * A program with the command that `words` call, or with all where they call none that there is. It throws every
   * failure, so that `run` alone decides about exit codes.
   */
  async program(words: readonly string[] = []): Promise<Command> {
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
    const one = this.#called(words);
    for (const [title, parts] of Object.entries(this.#groups)) {
      program.commandsGroup(title);
      for (const each of parts) if (one === undefined || each === one) (await each.load())(program);
    }
    return program;
  }

  get #parts(): readonly Part[] {
    return Object.values(this.#groups).flat();
  }

  #called(words: readonly string[]): Part | undefined {
    return words
      .filter((_word, i) => words[i - 1] !== '--context')
      .map((word) => this.#parts.find(({ names }) => names.includes(word)))
      .find((found) => found !== undefined);
  }
}

/** Commands of one module; `load` runs when one of them is called. */
export function part(names: readonly string[], load: Part['load']): Part {
  return { names, load };
}
