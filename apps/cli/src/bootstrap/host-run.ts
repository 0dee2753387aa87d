import { createReadStream } from 'node:fs';
import type { HostEnforcer, NodeView } from '#contracts';
import { HostFailure } from './failure.js';
import {
  heldScript,
  joinScript,
  reinstallScript,
  startScript,
  uploadScript,
} from './host-scripts.js';
import { packageFor, type PackageFile } from './package-file.js';
import { parsePreflight, preflightScript } from './preflight.js';
import { parseFacts, probeScript, type HostFacts } from './probe.js';
import type { RootShell } from './root-shell.js';
import type { Target } from './target.js';

/** What is the same for all hosts of a run. */
export interface RunSettings {
  /** The control plane, as hosts reach it. */
  readonly url: string;
  readonly caFingerprint: string;
  /** Absent where nobody said. */
  readonly enforcer: HostEnforcer | undefined;
  readonly packages: readonly PackageFile[];
  /** Text of the script that looks at hosts. */
  readonly preflight: string;
  readonly dryRun: boolean;
  /** Nodes that the control plane knew when the run began. */
  readonly nodes: readonly NodeView[];
  readonly token: () => Promise<string>;
}

/** How a host came out of it: `ready` says that nothing would keep it out. */
export type HostState = 'enrolled' | 'started' | 'unchanged' | 'ready';

/** A host that is in, or would be. */
export interface HostOutcome {
  readonly state: HostState;
  readonly name: string;
  readonly nodeId?: string;
  /** What does not keep it out, and will be missed. */
  readonly warnings?: readonly string[];
}

/** What a host is told to do by. */
export interface HostTools {
  readonly shell: RootShell;
  readonly signal: AbortSignal;
  readonly tell: (step: string) => void;
}

const PROBE_MS = 60_000;
const UPLOAD_MS = 900_000;
const JOIN_MS = 600_000;
const NODE_NAME =
  /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** Brings one host in, from wherever it is. Throws HostFailure; the same again goes on where this ended. */
export async function runHost(
  target: Target,
  settings: RunSettings,
  tools: HostTools,
): Promise<HostOutcome> {
  const { shell, signal, tell } = tools;
  tell('looking');
  const timing = { timeoutMs: PROBE_MS, signal };
  const facts = parseFacts(await shell.run(probeScript(settings.caFingerprint), timing));
  if (facts.nodeId !== undefined) return keepHost(facts, facts.nodeId, settings, tools);
  mustKeepEnforcer(facts, settings);
  const chosen = packageFor(settings.packages, facts);
  const name = nameOf(target, facts, settings);
  const warnings = await preflight(facts, settings, tools);
  if (settings.dryRun) return { state: 'ready', name, warnings };
  await upload(chosen, tools);
  const nodeId = await join(chosen, name, settings, tools);
  return { state: 'enrolled', name, nodeId, warnings };
}

/** Throws the first cause that keeps the machine out, with the others in its words. */
async function preflight(
  { kept }: HostFacts,
  { url, preflight: input, enforcer }: RunSettings,
  { shell, signal }: HostTools,
): Promise<readonly string[]> {
  const said = await shell.run(preflightScript(url), { input, timeoutMs: PROBE_MS, signal });
  const { failures, warnings } = parsePreflight(said, enforcer ?? kept?.enforcer);
  const [first, ...rest] = failures;
  if (first === undefined) return warnings;
  throw withOthers(first, rest);
}

/** A host that is ours stays as it is, but for services that do not run, and programs that were removed. */
async function keepHost(
  facts: HostFacts,
  nodeId: string,
  settings: RunSettings,
  tools: HostTools,
): Promise<HostOutcome> {
  const { nodes, dryRun } = settings;
  const { shell, signal, tell } = tools;
  const node = nodes.find((each) => each.nodeId === nodeId);
  if (node === undefined)
    throw new HostFailure(
      'enrolled-elsewhere',
      `it is enrolled as ${nodeId}, which is not known here`,
    );
  if (node.phase === 'revoked')
    throw new HostFailure(
      'enrolled-elsewhere',
      `it was enrolled here as ${node.name}, and is revoked`,
    );
  mustKeepEnforcer(facts, settings);
  const { name } = node;
  if (facts.running && facts.installed) return { state: 'unchanged', name, nodeId };
  const chosen = facts.installed ? undefined : packageFor(settings.packages, facts);
  if (dryRun) return { state: 'ready', name, nodeId };
  if (chosen) await reinstall(chosen, tools);
  tell('starting');
  await shell.run(startScript(settings.caFingerprint), { timeoutMs: JOIN_MS, signal });
  return { state: 'started', name, nodeId };
}

async function reinstall(chosen: PackageFile, tools: HostTools): Promise<void> {
  await upload(chosen, tools);
  const { shell, signal, tell } = tools;
  tell('install');
  const timing = { timeoutMs: JOIN_MS, signal };
  await shell.run(reinstallScript(chosen), timing, 'install-failed');
}

/** Its configuration stays as it is, and another wish would be left out without a word. */
function mustKeepEnforcer({ kept }: HostFacts, { enforcer }: RunSettings): void {
  if (enforcer === undefined || kept === undefined || kept.enforcer === enforcer) return;
  throw new HostFailure(
    'enforcer-differs',
    `${kept.file} says 'enforcer: ${kept.enforcer}', and --enforcer ${enforcer} is asked for. Nothing was changed`,
  );
}

function nameOf(target: Target, { hostname }: HostFacts, { nodes }: RunSettings): string {
  const name = target.name ?? hostname.toLowerCase();
  if (!NODE_NAME.test(name))
    throw new HostFailure('name-refused', `"${name}" is no name of a node`);
  const other = nodes.find((each) => each.name === name && each.nodeId !== undefined);
  if (other === undefined) return name;
  throw new HostFailure('name-taken', `another host is enrolled as ${name}`);
}

function withOthers(first: HostFailure, rest: readonly HostFailure[]): HostFailure {
  if (rest.length === 0) return first;
  const others = rest.map(({ code, message }) => `${code}: ${message}`).join('; ');
  const { code, message, remedy } = first;
  return new HostFailure(code, `${message}; also ${others}`, { remedy });
}

async function upload(chosen: PackageFile, { shell, signal, tell }: HostTools): Promise<void> {
  const held = await shell.run(heldScript(chosen), { timeoutMs: PROBE_MS, signal });
  if (held.trim() === 'whole') return;
  const there = Number(held);
  // More than there is cannot be its beginning.
  const offset = Number.isSafeInteger(there) && there <= chosen.bytes ? there : 0;
  tell(`sending ${Math.ceil((chosen.bytes - offset) / 1024)} KiB`);
  const input = createReadStream(chosen.path, { start: offset });
  const options = { input, timeoutMs: UPLOAD_MS, signal };
  await shell.run(uploadScript(chosen, offset), options, 'install-failed');
}

async function join(
  chosen: PackageFile,
  name: string,
  { url, caFingerprint, enforcer, token }: RunSettings,
  { shell, signal, tell }: HostTools,
): Promise<string> {
  const script = joinScript(chosen, { name, url, caFingerprint, enforcer });
  const onErrorLine = (line: string): void => {
    const [, step] = /^hostward: step ([a-z]+)$/.exec(line) ?? [];
    if (step !== undefined) tell(step);
  };
  const input = `${await token()}\n`;
  const options = { input, timeoutMs: JOIN_MS, signal, onErrorLine };
  return (await shell.run(script, options, 'install-failed')).trim();
}
