import { connect, createServer, type Server, type Socket } from 'node:net';

type LinkState = 'open' | 'cut' | 'stalled' | 'unanswered';

/** What one connection carried, chunk by chunk, as a listener on the wire has it. */
export interface Recording {
  readonly toTarget: Buffer[];
  readonly toClient: Buffer[];
}

/** A TCP link of a test: forwards the loopback to a target, and can be cut, stalled, slowed and restored. */
export class LinkProxy {
  private state: LinkState = 'open';
  private delayMs = 0;
  private remainingBytes = Infinity;
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private recordings: Recording[] | undefined;
  /** Connections accepted so far. */
  accepted = 0;

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private targetPort: number,
  ) {}

  /** Listens on a free port of the loopback and forwards to `targetPort`. */
  static async start(targetPort: number): Promise<LinkProxy> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const proxy = new LinkProxy(server, port, targetPort);
    server.on('connection', (socket) => proxy.accept(socket));
    return proxy;
  }

  /** Open connections now. */
  get connections(): number {
    return this.pairs.size;
  }

  /** Resets what is connected and whatever connects until `restore`. */
  cut(): void {
    this.state = 'cut';
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Cuts by itself once `bytes` more have come from the target to the client; the rest is lost. */
  cutAfterBytes(bytes: number): void {
    this.remainingBytes = bytes;
  }

  /** Nothing passes in either direction, and nothing is closed: a link whose far end has vanished. */
  stall(): void {
    this.state = 'stalled';
    for (const pair of this.pairs) for (const socket of pair) socket.pause();
  }

  /** What the client sends passes, and nothing comes back. */
  stallAnswers(): void {
    this.state = 'unanswered';
    for (const [, target] of this.pairs) target.pause();
  }

  /** Every chunk of the target's answers comes `delayMs` later. */
  slow(delayMs: number): void {
    this.delayMs = delayMs;
  }

  /** Lets everything pass again; stalled connections go on where they were. */
  restore(): void {
    this.state = 'open';
    this.delayMs = 0;
    this.remainingBytes = Infinity;
    for (const pair of this.pairs) for (const socket of pair) socket.resume();
  }

  /** Keeps what every later connection carries; the list grows with them. */
  record(): readonly Recording[] {
    return (this.recordings ??= []);
  }

  /** Forwards new connections to another port. */
  retarget(targetPort: number): void {
    this.targetPort = targetPort;
  }

  /** Closes all; nothing listens afterwards. */
  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private accept(client: Socket): void {
    this.accepted += 1;
    if (this.state === 'cut') {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const target = connect(this.targetPort, '127.0.0.1');
    const pair = [client, target] as const;
    this.pairs.add(pair);
    this.forward(pair, client, target, () => 0, false);
    this.forward(pair, target, client, () => this.delayMs, true);
    this.listenIn(client, target);
    if (this.state === 'stalled') for (const socket of pair) socket.pause();
    if (this.state === 'unanswered') target.pause();
  }

  private forward(
    pair: readonly [Socket, Socket],
    from: Socket,
    to: Socket,
    delay: () => number,
    counted: boolean,
  ): void {
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => {
      const wait = delay();
      if (counted && !this.admit(chunk)) return;
      if (wait === 0) to.write(chunk);
      else setTimeout(() => to.write(chunk), wait);
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.pairs.delete(pair);
      to.destroy();
    });
  }

  private listenIn(client: Socket, target: Socket): void {
    if (this.recordings === undefined) return;
    const recording: Recording = { toTarget: [], toClient: [] };
    this.recordings.push(recording);
    client.on('data', (chunk: Buffer) => recording.toTarget.push(chunk));
    target.on('data', (chunk: Buffer) => recording.toClient.push(chunk));
  }

  private admit(chunk: Buffer): boolean {
    this.remainingBytes -= chunk.length;
    if (this.remainingBytes >= 0) return true;
    this.remainingBytes = Infinity;
    this.state = 'cut';
    // What was admitted still arrives: a reset would throw it away on the other side.
    for (const pair of this.pairs) for (const socket of pair) socket.destroySoon();
    return false;
  }
}
