import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import type { CallerView, LoginAnswer, LoginMethods } from '#contracts';
import { ControlPlane } from '../client/control-plane.js';
import { contextToLogIn, loginContext, type Context } from '../client/context.js';
import {
  readContexts,
  writeContexts,
  type Contexts,
  type StoredContext,
} from '../client/context-file.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { readCa } from '../input/ca-file.js';
import { httpsOrigin } from '../input/https-origin.js';
import { descriptorOf, readSecret } from '../input/secret.js';
import { oneOf, printObject } from '../output/print.js';
import { chosenContext, withControlPlane } from '../client/session.js';

interface LoginOptions {
  readonly user?: string;
  readonly oidc?: true;
  readonly browser?: string;
  readonly url?: string;
  readonly ca?: string;
  readonly secretFd?: number;
}

/** `login`, `logout` and `whoami`. */
export function registerLogin(program: Command): void {
  program
    .command('login')
    .option('--user <name>', 'a user of `hostward create user`, by its secret')
    .option('--oidc', 'by the identity provider that the control plane names, in a browser')
    .option('--browser <program>', 'open its address with this, e.g. xdg-open; else it is printed')
    .option('--url <url>', 'https://HOST:PORT of a control plane that no context names yet')
    .option('--ca <file>', 'its CA, in PEM')
    .option('--secret-fd <n>', 'read the secret from this descriptor', descriptorOf('--secret-fd'))
    .description('act as a user in the context: for twelve hours, by --oidc for four')
    .addHelpText(
      'after',
      `
Examples:
  hostward login --user alice
  hostward login --oidc
  hostward login --oidc --browser xdg-open
  hostward --context prod login --user alice \\
    --url https://a.example:7443 --ca ca.pem
The token that the context had stays beside the login; logout goes back to it.`,
    )
    .action(login);
  program
    .command('logout')
    .description('end the login of the context')
    .addHelpText('after', '\nExample:\n  hostward logout')
    .action(logout);
  program
    .command('whoami')
    .option(
      '-o, --output <format>',
      'text, json or yaml',
      oneOf('-o', 'text', 'json', 'yaml'),
      'text',
    )
    .description('who you are to the control plane, and what you may do')
    .addHelpText('after', '\nExample:\n  hostward whoami')
    .action(whoami);
}

async function login(options: LoginOptions): Promise<void> {
  checkWay(options);
  const added = options.url === undefined ? undefined : await newContext(options.url, options.ca);
  const { name, context } = added ?? (await loginContext(chosenContext()));
  const controlPlane = new ControlPlane(context);
  try {
    const answer = await (options.user === undefined
      ? loginByProvider(controlPlane, options.browser)
      : loginBySecret(controlPlane, options.user, options.secretFd));
    const { actor, token, expiresAt } = answer;
    const user = options.user ?? actor;
    const session = { user, token, expiresAt };
    if (added === undefined) await change(name, (stored) => ({ ...stored, session }));
    else await add(name, { ...added.stored, session });
    console.log(`context/${name}: logged in as ${user} until ${expiresAt}`);
  } finally {
    controlPlane.close();
  }
}

function checkWay({ user, oidc, browser, url, ca, secretFd }: LoginOptions): void {
  if ((user === undefined) === (oidc === undefined))
    throw new UsageError('say who logs in: either --user NAME or --oidc');
  if (ca !== undefined && url === undefined)
    throw new UsageError('--ca goes with --url; that of a context is changed by `context add`');
  if (oidc && secretFd !== undefined) throw new UsageError('--secret-fd goes with --user');
  if (!oidc && browser !== undefined) throw new UsageError('--browser goes with --oidc');
}

async function loginBySecret(
  controlPlane: ControlPlane,
  user: string,
  secretFd: number | undefined,
): Promise<LoginAnswer> {
  const secret = await readSecret(`secret of ${user}: `, secretFd);
  return controlPlane.call('/v1/login', { method: 'POST', body: { user, secret } });
}

async function loginByProvider(
  controlPlane: ControlPlane,
  browser: string | undefined,
): Promise<LoginAnswer> {
  const { oidc } = await controlPlane.call<LoginMethods>('/v1/login-methods');
  if (oidc === undefined)
    throw new CommandFailed(
      'the control plane names no identity provider',
      '`hostward login --user NAME`, or set `oidc` in its configuration',
    );
  const { askProvider } = await import('../client/oidc-login.js');
  const body = await askProvider(oidc, (url) => {
    console.error(`open this address in a browser on this machine:\n${url}`);
    if (browser !== undefined) openWith(browser, url);
  });
  return controlPlane.call('/v1/sessions/oidc', { method: 'POST', body });
}

/** Its failure is said and no more: the address is printed already. */
function openWith(browser: string, url: string): void {
  const child = spawn(browser, [url], { stdio: 'ignore', detached: true });
  child.on('error', ({ message }) => console.error(`${browser} cannot be run: ${message}`));
  child.unref();
}

/**
 * A context of its own for the control plane that is named; its token is the login that follows. It is kept when that
 * is done: what was mistyped must be no name that is taken.
 */
async function newContext(url: string, caFile: string | undefined) {
  const name = chosenContext();
  if (name === undefined)
    throw new UsageError('--url needs a name for it: hostward --context NAME');
  mustBeNew(await readContexts(), name);
  const origin = httpsOrigin('--url', url);
  const ca = caFile === undefined ? undefined : await readCa(caFile);
  const stored: StoredContext = { url: origin, token: '', ca };
  return { name, stored, context: await contextToLogIn(stored) };
}

/** Somebody may have taken the name while a secret was typed. */
async function add(name: string, stored: StoredContext): Promise<void> {
  const known = await readContexts();
  mustBeNew(known, name);
  const contexts = { ...known.contexts, [name]: stored };
  await writeContexts({ current: known.current ?? name, contexts });
}

function mustBeNew({ contexts }: Contexts, name: string): void {
  if (contexts[name] !== undefined)
    throw new UsageError(`the context ${name} has a URL already: leave --url out`);
}

async function logout(): Promise<void> {
  const { name, context } = await loginContext(chosenContext());
  const session = (await readContexts()).contexts[name]?.session;
  if (session === undefined)
    throw new CommandFailed(`the context ${name} holds no login`, '`hostward login` makes one');
  const ended = await endSession({ ...context, token: session.token });
  await change(name, ({ session: _ended, ...stored }) => stored);
  console.log(`context/${name}: logged out`);
  if (!ended) console.error('the control plane did not hear of it: the token ends by its time');
}

/** Whether the token counts no more. It is the session's own, whatever HOSTWARD_TOKEN says. */
async function endSession(context: Context): Promise<boolean> {
  const controlPlane = new ControlPlane(context);
  try {
    const { status } = await controlPlane.answer('/v1/logout', { method: 'POST' });
    return status === 204 || status === 401;
  } catch {
    return false;
  } finally {
    controlPlane.close();
  }
}

async function whoami({ output }: { output: 'text' | 'json' | 'yaml' }): Promise<void> {
  const who = await withControlPlane((to) => to.call<CallerView>('/v1/whoami'));
  if (output !== 'text') return printObject(who, output);
  console.log(`${who.actor}
  roles    ${who.roles.join(', ')}
  hosts    ${who.selector ?? 'all'}
  permissions   ${who.permissions.join(', ')}
  until    ${who.expiresAt ?? 'it is reset on the machine'}`);
}

async function change(name: string, to: (stored: StoredContext) => StoredContext): Promise<void> {
  const known = await readContexts();
  const stored = known.contexts[name];
  if (stored === undefined) throw new CommandFailed(`the context ${name} is gone`);
  await writeContexts({ ...known, contexts: { ...known.contexts, [name]: to(stored) } });
}
