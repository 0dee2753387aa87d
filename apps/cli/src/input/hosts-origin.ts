import { CommandFailed } from '../output/errors.js';
import { httpsOrigin } from './https-origin.js';

interface OriginWords {
  /** What `--control-plane` says. */
  readonly given?: string;
  /** Where the CLI itself reaches the control plane. */
  readonly known: string;
  /** Names or addresses of the machines that are to reach it too; absent: machines that nobody has named yet. */
  readonly machines?: readonly string[];
}

/**
 * The address by which hosts reach the control plane: what `--control-plane` says, or else what the CLI itself goes by.
 * Throws CommandFailed where that is the loopback of this machine, as `up` writes it, and a host is another machine;
 * UsageError where it is no address.
 */
export function hostsOrigin({ given, known, machines }: OriginWords): string {
  if (given !== undefined) return httpsOrigin('--control-plane', given);
  const url = new URL(httpsOrigin('--control-plane', known));
  if (!isLoopback(url.hostname)) return url.origin;
  const elsewhere = machines?.find((machine) => !isLoopback(machine));
  if (machines !== undefined && elsewhere === undefined) return url.origin;
  throw new CommandFailed(
    `${url.origin} is this machine alone: ${elsewhere ?? 'the host'} does not reach the control plane there`,
    `say how hosts reach it: --control-plane https://NAME:${url.port || '443'}, NAME being one of \`up --name\``,
  );
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
