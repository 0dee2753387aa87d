import { stdout } from 'node:process';
import { Option, type Command } from 'commander';
import { HOST_ENFORCERS, type HostEnforcer, type InstallScriptRequest } from '#contracts';
import { durationOption } from '../input/duration-option.js';
import { hostsOrigin } from '../input/hosts-origin.js';
import { parseLabels } from '../input/labels.js';
import { segment } from '../input/names.js';
import { oneOf } from '../output/print.js';
import { withControlPlane } from '../client/session.js';

interface Options {
  readonly cloudInit?: boolean;
  readonly labels: Record<string, string>;
  readonly controlPlane?: string;
  readonly enforcer?: HostEnforcer;
  readonly ttl: number;
}

const HELP = `
Examples:
  hostward vm getscript web1 --control-plane https://cp.example:7443 > web1.sh
  ssh root@web1 sh -s < web1.sh
  hostward vm getscript web2 --cloud-init > user-data
The script holds a join token of one use: it is a secret until then. It checks
the CA, the package's checksum and its signature, and removes itself.`;

/** `vm getscript`: a script by which a machine becomes a host by itself. */
export function registerGetScript(vm: Command): void {
  vm.command('getscript')
    .argument('<name>', 'what the host is to be called')
    .option('--cloud-init', 'as user-data of cloud-init')
    .addOption(
      new Option('--labels <labels>', 'labels that the host gets')
        .argParser(parseLabels)
        .default({}, 'none'),
    )
    .option('--control-plane <url>', 'as the host reaches it, if not as you do')
    .option('--enforcer <name>', 'auto (default), apparmor, bpf, observe', enforcerOf)
    .addOption(durationOption('--ttl <duration>', 'how long its join token is valid', '1h'))
    .description('a script by which a machine joins')
    .addHelpText('after', HELP)
    .action(getScript);
}

async function getScript(name: string, options: Options): Promise<void> {
  const { labels, enforcer, ttl: ttlMs, cloudInit, controlPlane: given } = options;
  const text = await withControlPlane((controlPlane) => {
    const body: InstallScriptRequest = {
      format: cloudInit ? 'cloud-init' : 'sh',
      url: hostsOrigin({ given, known: controlPlane.url }),
      ...{ labels, enforcer, ttlMs },
    };
    return controlPlane.call<string>(`/v1/nodes/${segment(name)}/install-script`, {
      method: 'POST',
      body,
    });
  });
  stdout.write(text);
}

function enforcerOf(text: string): HostEnforcer {
  return oneOf('--enforcer', ...HOST_ENFORCERS)(text);
}
