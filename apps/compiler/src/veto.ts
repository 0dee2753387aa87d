import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { parse } from 'yaml';
import { parseVeto, type Veto, vetoProblem } from '#policy-compiler';
import { wordsOf } from './words-of.js';

/** The host's configuration is there and cannot be understood, so that its owner's refusals are not known. */
export class VetoError extends Error {
  override readonly name = 'VetoError';
}

const MAX_CONFIG_CHARS = 64 * 1024;

const ENFORCERS = ['auto', 'apparmor', 'bpf', 'observe'] as const;
const ON_OPEN_DESCRIPTORS = ['report', 'kill'] as const;

/** What the host's owner decided. */
export interface OwnersWord {
  readonly veto: readonly Veto[];
  readonly enforcer: (typeof ENFORCERS)[number];
  /** What becomes of processes that have open what a new rule refuses. */
  readonly onOpenDescriptors: (typeof ON_OPEN_DESCRIPTORS)[number];
  /** The name by which the host was told to find its control plane. */
  readonly controlPlane?: string;
}

/**
 * `veto`, `enforcer`, `onOpenDescriptors` and the control plane's name of /etc/hostward/agent.yaml (root's; its other
 * keys are the agent's to judge). No file, no veto.
 * @throws VetoError when the file cannot be read or understood: nothing is compiled then, what is enforced stays
 */
export async function readOwnersWord(file: string): Promise<OwnersWord> {
  const text = await readConfig(file);
  const config = text === undefined ? {} : parseConfig(text, file);
  const { enforcer, onOpenDescriptors } = isRecord(config) ? config : {};
  return {
    veto: vetoIn(config, file),
    enforcer: ENFORCERS.find((one) => one === enforcer) ?? 'auto',
    onOpenDescriptors: ON_OPEN_DESCRIPTORS.find((one) => one === onOpenDescriptors) ?? 'report',
    controlPlane: nameIn(config),
  };
}

/** Of an address there is none. */
function nameIn(config: unknown): string | undefined {
  const at =
    isRecord(config) && isRecord(config.controlPlane) ? config.controlPlane.url : undefined;
  const name = typeof at === 'string' && URL.canParse(at) ? new URL(at).hostname : '';
  return name === '' || isIP(name.replace(/^\[|\]$/g, '')) !== 0 ? undefined : name;
}

async function readConfig(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (isRecord(cause) && cause.code === 'ENOENT') return undefined;
    throw new VetoError(`${file}: ${wordsOf(cause)}`, { cause });
  }
}

function vetoIn(config: unknown, file: string): readonly Veto[] {
  const veto = isRecord(config) ? (config.veto ?? []) : undefined;
  const parsed = parseVeto(veto);
  if (parsed === undefined) throw new VetoError(`${file}: veto ${vetoProblem(veto) ?? ''}`);
  return parsed;
}

function parseConfig(text: string, file: string): unknown {
  try {
    if (text.length > MAX_CONFIG_CHARS) throw new Error('is too large');
    return parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw new VetoError(`${file}: ${wordsOf(cause)}`, { cause });
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
