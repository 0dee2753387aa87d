import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RedisConnectionOptions } from '#redis';
import { initialise } from '../../../apps/cli/src/embedded/control-plane.js';
import { freePort } from '../../../apps/cli/src/embedded/free-ports.js';
import { redisCommand, redisProgram } from '../../../apps/cli/src/embedded/redis.js';
import { ServerKeys } from '../../../apps/cli/src/embedded/server-keys.js';
import { Supervised } from '../../../apps/cli/src/embedded/supervised.js';
import { accepts, until } from '../../../apps/cli/src/embedded/wait.js';

const BACK_WITHIN_MS = 30_000;

/** A Redis as `up` starts it, with certificates and control user of its own, and nobody else on it. */
export class BenchRedis {
  private constructor(
    readonly port: number,
    /** Of the control plane's user. */
    readonly login: RedisConnectionOptions,
    private readonly program: Supervised,
  ) {}

  /** Starts it in this folder; `stop` it. */
  static async start(dataDir: string): Promise<BenchRedis> {
    const port = await freePort();
    const keys = new ServerKeys();
    const { redis: files } = await initialise({
      dataDir,
      listen: '127.0.0.1:7443',
      names: ['localhost'],
      etcd: 'https://127.0.0.1:1',
      redis: `127.0.0.1:${port}`,
      redisEvents: `127.0.0.1:${port}`,
      serverKeys: keys,
    });
    const command = await redisCommand();
    const options = {
      serves: 'control',
      command,
      dataDir,
      host: '127.0.0.1',
      port,
      files,
      keys,
    } as const;
    const program = new Supervised(await redisProgram(options), () => undefined);
    await program.start();
    const password = await readFile(join(dataDir, 'keys', 'redis-control.password'), 'utf8');
    const tls = { ca: await readFile(files.ca) };
    const login = { port, username: 'control', password: password.trim(), tls };
    return new BenchRedis(port, login, program);
  }

  get pid(): number {
    return this.program.pid ?? 0;
  }

  /** Kills it and waits until a new one accepts connections; it is started again by its supervisor. */
  async restart(): Promise<void> {
    const before = this.pid;
    process.kill(before, 'SIGKILL');
    await until(async () => {
      if (this.pid === before) throw new Error('Redis did not come back');
      await accepts(this.port);
    }, AbortSignal.timeout(BACK_WITHIN_MS));
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}
