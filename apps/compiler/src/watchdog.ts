import { Worker } from 'node:worker_threads';

/**
 * A bound on time that holds even when a computation does not return: a thread of its own ends the process. The sensor
 * then sees a broken connection, and the next request starts a fresh compiler.
 */
export class Watchdog implements AsyncDisposable {
  private readonly worker: Worker;

  constructor(timeoutMs: number) {
    const source = `setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${timeoutMs});`;
    this.worker = new Worker(source, { eval: true, stdin: false, stdout: false, stderr: false });
    this.worker.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.terminate();
  }
}
