import { fileURLToPath } from 'node:url';
import { ServerProcess, freePort } from '#testing';
import type { StoreConfig } from '../config/store.js';

/** What is run: as it is shipped, or as of a version that renders otherwise. */
export type ReplicaVersion = 'bundle' | 'testing/other-version';

const mainOf = (version: ReplicaVersion): string =>
  fileURLToPath(new URL(`../../../../dist/apps/control-plane/src/${version}.js`, import.meta.url));

/** What a replica has of its own, besides its port, and what all of them share. */
export interface ReplicaOptions {
  readonly configFile: string;
  readonly dataDir: string;
  readonly etcdPort: number;
  readonly redisPort: number;
  /** Where alerts and audit log are. */
  readonly store: StoreConfig;
}

/** A control plane in a process of its own, which can stand still, be killed, and be started again at the same port. */
export class ReplicaProcess {
  #process: ServerProcess | undefined;

  private constructor(
    private readonly options: ReplicaOptions,
    private readonly port: number,
  ) {}

  static async start(options: ReplicaOptions, version: ReplicaVersion): Promise<ReplicaProcess> {
    const replica = new ReplicaProcess(options, await freePort());
    await replica.start(version);
    return replica;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  async start(version: ReplicaVersion = 'bundle'): Promise<void> {
    const { configFile, dataDir, etcdPort, redisPort, store } = this.options;
    const settings = {
      DATA_DIR: dataDir,
      LISTEN__PORT: this.port,
      ETCD__HOSTS: `["https://127.0.0.1:${etcdPort}"]`,
      REDIS__PORT: redisPort,
      STORE: JSON.stringify(store),
    };
    const environment = Object.entries(settings).map(
      ([key, value]) => `HOSTWARD_CONTROL_PLANE__${key}=${value}`,
    );
    this.#process = await ServerProcess.start({
      command: 'env',
      args: [...environment, process.execPath, mainOf(version), 'serve', `--config=${configFile}`],
      ready: /"listening":/,
    });
  }

  /** Stands still with its connections open, until it goes on. */
  freeze(): void {
    this.#process?.signal('SIGSTOP');
  }

  goOn(): void {
    this.#process?.signal('SIGCONT');
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    this.goOn();
    await this.#process?.stop();
    this.#process = undefined;
  }

  async kill(): Promise<void> {
    await this.#process?.kill9();
    this.#process = undefined;
  }
}
