import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

import { LabError, VmTimeoutError } from './lab.errors.js';

const CALL_TIMEOUT_MS = 180_000;

interface QmpMessage {
  id?: number;
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  data?: Record<string, unknown>;
}

type Waiting = { resolve: (value: unknown) => void; reject: (error: LabError) => void };

/** A connection to QEMU's control socket (QMP): commands with a deadline, and its events. */
export class QmpClient {
  private readonly waiting = new Map<number, { command: string } & Waiting>();
  private readonly events = new EventEmitter();
  private nextId = 1;

  private constructor(private readonly socket: Socket) {
    // A killed QEMU resets the socket; the `close` handler tells those who wait.
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => this.receive(line)).on('error', () => undefined);
    socket.on('close', () => this.failAll());
    socket.on('error', () => undefined);
  }

  /** Connects to the Unix socket `path` and negotiates; rejects if nobody listens. */
  static async connect(path: string): Promise<QmpClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) =>
      socket.once('connect', resolve).once('error', reject),
    );
    const client = new QmpClient(socket);
    await client.execute('qmp_capabilities');
    return client;
  }

  /** Runs one command and returns its `return` value; throws LabError with QEMU's words. */
  execute(
    command: string,
    args: Record<string, unknown> = {},
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<unknown> {
    // What is written to a socket that is closed is never answered, nor refused.
    if (this.socket.destroyed) return Promise.reject(closed(command));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = this.nextId++;
    const timer = setTimeout(
      () => reject(new VmTimeoutError(`QMP ${command} took over ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.waiting.set(id, { command, resolve, reject });
    this.socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return promise.finally(() => {
      clearTimeout(timer);
      this.waiting.delete(id);
    });
  }

  /** Runs a line of QEMU's human monitor and returns its text: some things have no QMP command. */
  async monitor(line: string, timeoutMs = CALL_TIMEOUT_MS): Promise<string> {
    const command = { 'command-line': line };
    return String(await this.execute('human-monitor-command', command, timeoutMs));
  }

  /**
   * Resolves at the next event of that name whose data match, rejects where QEMU ends before; call it before the command
   * that causes it.
   */
  event(
    name: string,
    matches: (data: Record<string, unknown>) => boolean,
    timeoutMs: number,
  ): Promise<void> {
    if (this.socket.destroyed) return Promise.reject(closed(name));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onClose = (): void => reject(closed(name));
    this.socket.once('close', onClose);
    const listener = (data: Record<string, unknown>): void => {
      if (matches(data)) resolve();
    };
    this.events.on(name, listener);
    const timer = setTimeout(
      () => reject(new VmTimeoutError(`no ${name} from QEMU in ${timeoutMs} ms`)),
      timeoutMs,
    );
    return promise.finally(() => {
      clearTimeout(timer);
      this.events.off(name, listener);
      this.socket.off('close', onClose);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private receive(line: string): void {
    const message = JSON.parse(line) as QmpMessage;
    if (message.event !== undefined) this.events.emit(message.event, message.data ?? {});
    const call = message.id === undefined ? undefined : this.waiting.get(message.id);
    if (message.error !== undefined)
      call?.reject(new LabError(`QMP ${call.command}: ${message.error.desc}`));
    else call?.resolve(message.return);
  }

  private failAll(): void {
    for (const { command, reject } of this.waiting.values()) reject(closed(command));
    this.waiting.clear();
  }
}

function closed(what: string): LabError {
  return new LabError(`QMP ${what}: QEMU closed its control socket`);
}
