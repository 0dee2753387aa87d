import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { AssignmentVersion } from '#contracts';
import {
  encodeFrame,
  FrameDecoder,
  MSG,
  SocketSensor,
  TAG,
  textField,
  type Frame,
  type SensorEvent,
  type SensorState,
} from '#sensor';
import type { History, Order, Sighting } from '../history.js';

const TOLD: readonly number[] = [MSG.HELLO_OK, MSG.APPLIED, MSG.STATUS_OK];
const LOOK_WITHIN_MS = 3_000;

export interface TapOptions {
  readonly node: string;
  readonly history: History;
  /** Where the agent connects. */
  readonly path: string;
  readonly sensor: string;
  /** Folder of what the fake kernel has loaded. */
  readonly kernel: string;
}

/**
 * Stands between an agent and its sensor. Whatever the sensor says is in force is written to the history, with a digest
 * of what lies in the kernel, before the agent has it. Denials, which no kernel makes here, it makes itself: it answers
 * SUBSCRIBE in the place of the sensor, with sequence numbers that go on over every restart.
 */
export class SensorTap {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #subscribers = new Map<Socket, number>();
  readonly #events: SensorEvent[] = [];
  readonly #own: SocketSensor;
  readonly #swaps = new EventEmitter();
  /** The swap that is not answered yet. */
  #swap: { readonly agent: Socket; readonly request: number } | undefined;
  last: Sighting | undefined;

  constructor(private readonly options: TapOptions) {
    this.#own = new SocketSensor({ path: options.sensor, callTimeoutMs: LOOK_WITHIN_MS });
    rmSync(options.path, { force: true });
    this.#server = createServer((agent) => this.#accept(agent)).listen(options.path);
  }

  /** The sensor refuses something to a program, once. */
  deny(resource: string): void {
    const seq = this.#events.length + 1;
    this.options.history.write({ type: 'denied', node: this.options.node, resource });
    this.#events.push({
      ...{ seq, time: Date.now(), type: 'denied', profile: `denied-${seq}`, operation: 'open' },
      ...{ name: resource, requested: 'r', denied: 'r', pid: 10_000 + seq, comm: 'fault' },
    });
    for (const [socket, after] of this.#subscribers) this.#tell(socket, after);
  }

  /** Waits for the next swap that the agent asks for; what it resolves with says whether the sensor is at it still. */
  async nextSwap(signal: AbortSignal): Promise<() => boolean> {
    await once(this.#swaps, 'asked', { signal });
    const swap = this.#swap;
    return () => this.#swap === swap;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#own.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(agent: Socket): void {
    const sensor = createConnection({ path: this.options.sensor });
    for (const socket of [agent, sensor]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        agent.destroy();
        sensor.destroy();
        this.#subscribers.delete(agent);
        if (this.#swap?.agent === agent) this.#swap = undefined;
        this.#sockets.delete(socket);
      });
    }
    const asked = new FrameDecoder();
    agent.on('data', (chunk: Buffer) => {
      for (const frame of asked.push(chunk)) this.#ask(agent, sensor, frame);
    });
    const answered = new FrameDecoder();
    let before = Promise.resolve();
    sensor.on('data', (chunk: Buffer) => {
      for (const frame of answered.push(chunk))
        before = before.then(() => this.#answer(agent, frame));
    });
  }

  #ask(agent: Socket, sensor: Socket, frame: Frame): void {
    if (frame.type === MSG.CONFIRM) this.#confirming(frame);
    if (frame.type === MSG.APPLY) {
      this.#swap = { agent, request: frame.request };
      this.#swaps.emit('asked');
    }
    if (frame.type !== MSG.SUBSCRIBE) return void sensor.write(encoded(frame));
    agent.write(encodeFrame(MSG.DONE, frame.request, []));
    this.#tell(agent, Number(frame.fields.number(TAG.SEQUENCE) ?? 0n));
  }

  /** Before the sensor has it: its answer may be lost. */
  #confirming({ fields }: Frame): void {
    const numbers = [TAG.EPOCH, TAG.GENERATION, TAG.ISSUED_AT].map((tag) => fields.number(tag));
    const order = numbers.map(Number) as unknown as Order;
    this.options.history.write({ type: 'confirming', node: this.options.node, order });
  }

  #tell(socket: Socket, after: number): void {
    for (const event of this.#events.slice(after))
      socket.write(encodeFrame(MSG.EVENT, 0, [textField(TAG.EVENT, JSON.stringify(event))]));
    this.#subscribers.set(socket, this.#events.length);
  }

  async #answer(agent: Socket, frame: Frame): Promise<void> {
    const { request } = this.#swap?.agent === agent ? this.#swap : {};
    if (frame.request === request) this.#swap = undefined;
    const text = TOLD.includes(frame.type) ? frame.fields.text(TAG.STATE) : undefined;
    if (text !== undefined) await this.#see(JSON.parse(text) as SensorState);
    if (!agent.destroyed) agent.write(encoded(frame));
  }

  /** Looked at between two answers that say the same, since a swap may be on its way. */
  async #see(state: SensorState): Promise<void> {
    const sighting = sightingOf(this.options.node, state);
    const isNews = !isSame(sighting, this.last);
    if (!isNews) return;
    this.last = sighting;
    const digest = kernelDigest(this.options.kernel);
    const again = await this.#own.status().catch(() => undefined);
    const isStill = again !== undefined && isSame(sightingOf(this.options.node, again), sighting);
    const isWhole = state.outcome.ok && digest === kernelDigest(this.options.kernel);
    const kernel = isStill && isWhole ? { kernel: digest } : {};
    this.options.history.write({ type: 'host', ...sighting, ...kernel });
  }
}

function encoded({ type, request, fields }: Frame): Uint8Array {
  return encodeFrame(type, request, fields.list);
}

function sightingOf(node: string, state: SensorState): Sighting {
  const report = state.report && Buffer.from(state.report, 'base64').toString('utf8');
  const { policies } = (report ? JSON.parse(report) : { policies: [] }) as {
    policies: readonly { policy: string; revision: string }[];
  };
  return {
    node,
    order: orderOf(state.assignmentVersion),
    highest: orderOf(state.highest),
    fellBack: state.confirm?.state === 'fell-back',
    confirmed: state.confirm?.state === 'confirmed',
    suspended: state.suspension?.mode,
    policies: Object.fromEntries(policies.map((each) => [each.policy, Number(each.revision)])),
  };
}

function orderOf(assignmentVersion: AssignmentVersion | undefined): Order | undefined {
  return (
    assignmentVersion && [
      Number(assignmentVersion.epoch),
      Number(assignmentVersion.generation),
      assignmentVersion.issuedAt,
    ]
  );
}

function isSame(a: Sighting, b: Sighting | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Of names and bytes of all that is loaded; undefined while it is being written. */
function kernelDigest(folder: string): string | undefined {
  try {
    const hash = createHash('sha256');
    for (const name of readdirSync(folder).sort())
      hash.update(name).update(readFileSync(join(folder, name, 'raw_data')));
    return hash.digest('hex').slice(0, 16);
  } catch {
    return undefined;
  }
}
