import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';

const START_WITHIN_MS = 60_000;

/** A replica of the bench's control plane without guard and audit log, on the same etcd and Redis. */
export class Unguarded {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  /** Starts it on the configuration of a control plane that runs. */
  static async start(configFile: string, dataDir: string): Promise<Unguarded> {
    const program = join('dist', 'apps', 'control-plane', 'src', 'server', 'unguarded-main.js');
    const child = spawn(
      execPath,
      ['--disable-warning=ExperimentalWarning', join(packageRoot(), program), configFile, dataDir],
      // In a session of its own, as the control plane is in: Linux divides the CPU by session, which else favours this one.
      { detached: true, stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const signal = AbortSignal.timeout(START_WITHIN_MS);
    const lines = createInterface({ input: child.stdout });
    const ended = once(child, 'exit', { signal }).then(() => {
      throw new CommandFailed('the replica without guard and audit log did not start');
    });
    const [line] = (await Promise.race([once(lines, 'line', { signal }), ended])) as [string];
    ended.catch(() => undefined);
    return new Unguarded(child, String((JSON.parse(line) as { listening: unknown }).listening));
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.stdin?.end();
    await gone;
  }
}
