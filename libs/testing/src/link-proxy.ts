import { connect, createServer, type Server, type Socket } from 'node:net';

type LinkState = 'open' | 'cut' | 'stalled' | 'unanswered';

/** What one connection carried, chunk by chunk, as a listener on the wire has it. */
export interface Recording {
  readonly toTarget: Buffer[];
  readonly toClient: Buffer[];
}

/** One direction of a connection. */
interface Flow {
  readonly from: Socket;
  readonly to: Socket;
  readonly isAnswer: boolean;
  readonly heard: Buffer[] | undefined;
  /** What came before is still to be taken by the other side, or its time is not over. */
  isHeld: boolean;
  /** What a slow link does with the other side later, in its order. */
  readonly late: (() => void)[];
}

/** Does all that is late, or what is so as far as `last`, which may have been done with what came behind it. */
function release({ late }: Flow, last = late.at(-1)): void {
  const count = last === undefined ? 0 : late.indexOf(last) + 1;
  for (const act of late.splice(0, count)) act();
}

/** What is throttled goes on in turns of this length. */
const TURN_MS = 100;

/** A TCP link of a test: forwards the loopback to a target, and can be cut, stalled, slowed, throttled and restored. */
export class LinkProxy {
  private state: LinkState = 'open';
  private delayMs = 0;
  private remainingBytes = Infinity;
  private turnBytes = Infinity;
  private askedTurnBytes = Infinity;
  private readonly pairs = new Set<readonly [Flow, Flow]>();
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
    const server = createServer({ allowHalfOpen: true });
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
    for (const { from } of this.flows()) {
      from.resetAndDestroy();
      // What the other side does not take is lost: a reset waits for nothing.
      if (from.connecting || from.writableLength > 0) from.destroy();
    }
  }

  /** Cuts by itself once `bytes` more have come from the target to the client; the rest is lost. */
  cutAfterBytes(bytes: number): void {
    this.remainingBytes = bytes;
  }

  /** Nothing passes in either direction, and nothing is closed: a link whose far end has vanished. */
  stall(): void {
    this.state = 'stalled';
    for (const flow of this.flows()) this.update(flow);
  }

  /** What the client sends passes, and nothing comes back. */
  stallAnswers(): void {
    this.state = 'unanswered';
    for (const flow of this.flows()) this.update(flow);
  }

  /** Every chunk of the target's answers, and their end, comes `delayMs` later. */
  slow(delayMs: number): void {
    this.delayMs = delayMs;
  }

  /** On each connection the client reads this much of the target's answers; the target feels that the rest is not read. */
  throttle(bytesPerSecond: number): void {
    this.turnBytes = turnBytesOf(bytesPerSecond);
  }

  /** So much of what the client sends passes on each connection; the client feels it once its buffers are full. */
  throttleUploads(bytesPerSecond: number): void {
    this.askedTurnBytes = turnBytesOf(bytesPerSecond);
  }

  /** Lets everything pass again; stalled connections go on where they were. */
  restore(): void {
    this.state = 'open';
    this.delayMs = 0;
    this.remainingBytes = Infinity;
    this.turnBytes = Infinity;
    this.askedTurnBytes = Infinity;
    for (const flow of this.flows()) {
      release(flow);
      this.update(flow);
    }
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
    const target = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const recording = this.recordings && { toTarget: [], toClient: [] };
    if (recording) this.recordings?.push(recording);
    const [toTarget, toClient] = [recording?.toTarget, recording?.toClient];
    const asked = { from: client, to: target, isAnswer: false, heard: toTarget };
    const answered = { from: target, to: client, isAnswer: true, heard: toClient };
    const pair: readonly [Flow, Flow] = [
      { ...asked, isHeld: false, late: [] },
      { ...answered, isHeld: false, late: [] },
    ];
    this.pairs.add(pair);
    for (const flow of pair) {
      this.forward(flow);
      flow.from.on('close', () => {
        if (client.destroyed && target.destroyed) this.pairs.delete(pair);
      });
    }
  }

  private *flows(): Iterable<Flow> {
    for (const pair of this.pairs) yield* pair;
  }

  private forward(flow: Flow): void {
    const { from, to } = flow;
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => this.pass(flow, chunk));
    from.on('end', () => this.inTurn(flow, () => to.end()));
    from.on('error', () => undefined);
    // Soon, not at once: what came before is still on its way.
    from.on('close', () => this.inTurn(flow, () => to.destroySoon()));
    this.update(flow);
  }

  /** Nothing is read while nothing may pass: whoever sends feels it. */
  private update({ from, isAnswer, isHeld }: Flow): void {
    const stands = this.state === 'stalled' || (this.state === 'unanswered' && isAnswer);
    if (stands || isHeld) from.pause();
    else from.resume();
  }

  private pass(flow: Flow, chunk: Buffer): void {
    const { to, isAnswer, heard } = flow;
    const turnBytes = isAnswer ? this.turnBytes : this.askedTurnBytes;
    const isThrottled = turnBytes < Infinity;
    const piece = isThrottled ? chunk.subarray(0, turnBytes) : chunk;
    if (isAnswer && !this.admit(piece)) return;
    heard?.push(piece);
    if (isThrottled) {
      this.hold(flow, (goOn) => setTimeout(goOn, TURN_MS));
      if (piece.length < chunk.length) flow.from.unshift(chunk.subarray(piece.length));
    }
    this.inTurn(flow, () => {
      if (!to.write(piece) && !isThrottled && !flow.isHeld)
        this.hold(flow, (goOn) => to.once('drain', goOn));
    });
  }

  /** Behind all that came before, which a link that is slow no more lets pass with it. */
  private inTurn(flow: Flow, act: () => void): void {
    flow.late.push(act);
    if (flow.isAnswer && this.delayMs > 0) setTimeout(() => release(flow, act), this.delayMs);
    else release(flow);
  }

  private hold(flow: Flow, until: (goOn: () => void) => void): void {
    flow.isHeld = true;
    this.update(flow);
    until(() => {
      flow.isHeld = false;
      this.update(flow);
    });
  }

  private admit(chunk: Buffer): boolean {
    this.remainingBytes -= chunk.length;
    if (this.remainingBytes >= 0) return true;
    this.remainingBytes = Infinity;
    this.state = 'cut';
    // What was admitted still arrives: a reset would throw it away on the other side.
    for (const flow of this.flows()) release(flow);
    for (const { from, isAnswer } of this.flows()) (isAnswer ? from.pause() : from).destroySoon();
    return false;
  }
}

function turnBytesOf(bytesPerSecond: number): number {
  return Math.max(1, Math.round((bytesPerSecond * TURN_MS) / 1_000));
}
