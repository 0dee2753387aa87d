import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../output/errors.js';
import { damaged, keptFile, readKept, writeKept } from '../client/kept-file.js';

/** The order of a host's signed statuses: a later start of its agent, then the higher number. */
export interface SeenSignedStatus {
  readonly bootedAt: number;
  readonly sequence: number;
}

/** A host as this operator knows it: the id is the hash of its first key, so nobody else can sign for it. */
export interface KnownHost {
  readonly nodeId: string;
  readonly seen?: SeenSignedStatus;
}

type Hosts = Readonly<Record<string, KnownHost>>;

/** The hosts of one control plane that this operator has pinned, as ssh keeps them; the control plane never writes here. */
export class KnownHosts {
  private constructor(
    readonly file: string,
    private readonly hosts: Hosts,
  ) {}

  static async of({ identity }: ControlPlane): Promise<KnownHosts> {
    const file = keptFile('known-hosts', identity);
    const value = await readKept(file);
    return new KnownHosts(file, value === undefined ? {} : hostsOf(value, file));
  }

  get(name: string): KnownHost | undefined {
    return Object.hasOwn(this.hosts, name) ? this.hosts[name] : undefined;
  }

  async put(name: string, host: KnownHost): Promise<void> {
    await writeKept(this.file, { v: 1, hosts: { ...this.hosts, [name]: host } });
  }
}

/** What says which host a name is. */
export interface PinInquiry {
  readonly name: string;
  /** What the operator says now. */
  readonly given?: string;
  readonly kept?: string;
  /** Ids that authors signed under this name. */
  readonly authored?: readonly string[];
  /** What the control plane says. */
  readonly shown: string;
}

/**
 * Whose signature counts for a name: what the operator says, has kept, or his authors have signed; where there is none
 * of these, what the control plane shows, at first sight. Throws where the control plane shows another one.
 */
export function pinOf({ name, given, kept, authored = [], shown }: PinInquiry): {
  readonly nodeId: string;
  readonly by: 'operator' | 'kept' | 'authors' | 'first sight';
} {
  const pinned = given ?? kept;
  if (pinned !== undefined && pinned !== shown) throw changed(name, pinned, shown);
  if (authored.length > 0 && !authored.includes(shown))
    throw new CommandFailed(
      `the authors signed ${name} as another host than ${shown}: ${authored.join(', ')}`,
      'somebody else answers under its name, or its labels are to be signed anew',
    );
  if (given !== undefined) return { nodeId: shown, by: 'operator' };
  if (kept !== undefined) return { nodeId: shown, by: 'kept' };
  return { nodeId: shown, by: authored.length > 0 ? 'authors' : 'first sight' };
}

function changed(name: string, known: string, shown: string): CommandFailed {
  return new CommandFailed(
    `${name} IS ANOTHER HOST THAN BEFORE: known here as ${known}, the control plane shows ${shown}`,
    'it enrolled anew, or somebody stands in its place. Compare with the file trust/node-id in its ' +
      'state directory (/var/lib/hostward), then pin it by --node-id',
  );
}

function hostsOf(value: unknown, file: string): Hosts {
  const { hosts } = { ...(value as { hosts?: unknown }) };
  if (typeof hosts !== 'object' || hosts === null) throw damaged(file);
  if (Object.values(hosts).every(isHost)) return hosts as Hosts;
  throw damaged(file);
}

function isHost(value: unknown): value is KnownHost {
  const { nodeId, seen } = { ...(value as Partial<KnownHost> | null) };
  if (typeof nodeId !== 'string' || !/^[0-9a-f]{64}$/.test(nodeId)) return false;
  return seen === undefined || (isNumber(seen.bootedAt) && isNumber(seen.sequence));
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}
