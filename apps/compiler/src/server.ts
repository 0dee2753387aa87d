import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type Frame, FrameDecoder } from '#sensor';

/** A frame must be whole by then, and an answer taken. */
const TRANSFER_MS = 30_000;
const MAX_CONNECTIONS = 4;

export interface ServerOptions {
  /** A path, or the descriptor that systemd passed. */
  readonly listen: { readonly path: string } | { readonly fd: number };
  /** Ends by itself after this long without a connection; absent: never. */
  readonly idleMs?: number;
  readonly answer: (frame: Frame) => Promise<Uint8Array>;
  /** Told of connections that broke the protocol or failed. */
  readonly onFault: (error: unknown) => void;
}

/** The compiler's socket: one question a connection, one compilation at a time. */
export class CompilerServer {
  private readonly server: Server;
  private connections = 0;
  private queue: Promise<unknown> = Promise.resolve();
  private idle: NodeJS.Timeout | undefined;
  private finish: () => void = () => undefined;
  /** Settles when the server has ended, idle or stopped. */
  readonly ended = new Promise<void>((resolve) => {
    this.finish = resolve;
  });

  constructor(private readonly options: ServerOptions) {
    this.server = createServer((socket) => this.serve(socket));
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on('close', this.finish);
  }

  async start(): Promise<void> {
    const { listen } = this.options;
    if ('path' in listen) rmSync(listen.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(listen, () => {
        this.server.off('error', reject);
        this.server.on('error', this.options.onFault);
        resolve();
      });
    });
    // Only the sensor, which is root, may ask.
    if ('path' in listen) chmodSync(listen.path, 0o600);
    this.rest();
  }

  stop(): void {
    clearTimeout(this.idle);
    this.server.close();
  }

  private serve(socket: Socket): void {
    this.connections += 1;
    clearTimeout(this.idle);
    socket.on('error', this.options.onFault);
    socket.on('close', () => {
      this.connections -= 1;
      this.rest();
    });
    const deadline = setTimeout(() => socket.destroy(), TRANSFER_MS);
    this.readFrame(socket)
      .finally(() => clearTimeout(deadline))
      .then((frame) => this.inTurn(() => this.options.answer(frame)))
      .then((bytes) => this.send(socket, bytes))
      .catch((error: unknown) => {
        this.options.onFault(error);
        socket.destroy();
      });
  }

  private readFrame(socket: Socket): Promise<Frame> {
    const decoder = new FrameDecoder();
    return new Promise((resolve, reject) => {
      socket.on('close', () =>
        reject(new Error('the connection closed before a question was whole')),
      );
      socket.on('data', (chunk) => {
        try {
          const [frame] = decoder.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
          if (frame !== undefined) resolve(frame);
        } catch (error) {
          reject(error instanceof Error ? error : new Error('unreadable frame'));
        }
      });
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private async send(socket: Socket, bytes: Uint8Array): Promise<void> {
    socket.setTimeout(TRANSFER_MS, () => socket.destroy());
    await new Promise<void>((resolve) => {
      socket.once('close', resolve);
      socket.end(bytes, resolve);
    });
  }

  private rest(): void {
    if (this.options.idleMs === undefined || this.connections > 0) return;
    clearTimeout(this.idle);
    this.idle = setTimeout(() => this.stop(), this.options.idleMs);
  }
}
