import type { AssignmentVersion } from '#contracts';
import { bytesField, type Frame, MSG, numberField, TAG, textField } from './protocol.js';
import { Sensor, SensorUnavailableError } from './sensor.js';
import { SensorConnection } from './sensor-connection.js';
import { parseSensorEvent, parseSensorState, type SensorEvent, type SensorState } from './state.js';

export interface SocketSensorOptions {
  /** Default /run/hostward/sensor.sock. */
  readonly path?: string;
  /** Ours, told to the sensor in HELLO. */
  readonly version?: string;
  readonly callTimeoutMs?: number;
  /** For APPLY, which waits for the compiler (8 min at most) and the probes; and RECHECK. A sensor that hangs systemd ends. */
  readonly applyTimeoutMs?: number;
  /** Events received and not yet taken; above it the connection ends and the reader resumes from its last one. */
  readonly maxQueuedEvents?: number;
}

const DEFAULTS = {
  path: '/run/hostward/sensor.sock',
  version: '0.1.0',
  callTimeoutMs: 10_000,
  applyTimeoutMs: 600_000,
  maxQueuedEvents: 16_384,
};

/** The real sensor behind its Unix socket. Connects when first needed, and again after the connection was lost. */
export class SocketSensor extends Sensor {
  private readonly options: Required<SocketSensorOptions>;
  private connecting?: Promise<SensorConnection>;
  private readonly streams = new Set<SensorConnection>();

  constructor(options: SocketSensorOptions = {}) {
    super();
    this.options = { ...DEFAULTS, ...options };
  }

  async hello(): Promise<{ readonly version: string; readonly state: SensorState }> {
    const connection = await this.connection();
    const fields = [textField(TAG.VERSION, this.options.version)];
    const frame = await connection.request(
      MSG.HELLO,
      fields,
      MSG.HELLO_OK,
      this.options.callTimeoutMs,
    );
    return { version: frame.fields.text(TAG.VERSION) ?? '', state: stateOf(frame) };
  }

  async apply(envelope: Uint8Array): Promise<SensorState> {
    const connection = await this.connection();
    const fields = [bytesField(TAG.ENVELOPE, envelope)];
    return stateOf(
      await connection.request(MSG.APPLY, fields, MSG.APPLIED, this.options.applyTimeoutMs),
    );
  }

  async status(): Promise<SensorState> {
    const connection = await this.connection();
    return stateOf(
      await connection.request(MSG.STATUS, [], MSG.STATUS_OK, this.options.callTimeoutMs),
    );
  }

  async recheck(): Promise<SensorState> {
    const connection = await this.connection();
    return stateOf(
      await connection.request(MSG.RECHECK, [], MSG.STATUS_OK, this.options.applyTimeoutMs),
    );
  }

  async confirm(assignmentVersion: AssignmentVersion): Promise<void> {
    const connection = await this.connection();
    const fields = [
      numberField(TAG.EPOCH, BigInt(assignmentVersion.epoch)),
      numberField(TAG.GENERATION, BigInt(assignmentVersion.generation)),
      numberField(TAG.ISSUED_AT, assignmentVersion.issuedAt),
    ];
    await connection.request(MSG.CONFIRM, fields, MSG.DONE, this.options.callTimeoutMs);
  }

  async *events(after: number, signal?: AbortSignal): AsyncGenerator<SensorEvent, void, undefined> {
    const queue = new EventQueue(this.options.maxQueuedEvents);
    const { path, callTimeoutMs } = this.options;
    const connection = await SensorConnection.open(
      path,
      callTimeoutMs,
      (frame) => queue.push(frame),
      (error) => queue.fail(error),
    );
    const stop = () => connection.close();
    this.streams.add(connection);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    try {
      await connection.request(
        MSG.SUBSCRIBE,
        [numberField(TAG.SEQUENCE, after)],
        MSG.DONE,
        callTimeoutMs,
      );
      for (;;) yield await queue.next();
    } catch (error) {
      if (!signal?.aborted) throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
      this.streams.delete(connection);
      connection.close();
    }
  }

  async close(): Promise<void> {
    for (const stream of this.streams) stream.close();
    const connection = await this.connecting?.catch(() => undefined);
    this.connecting = undefined;
    connection?.close();
  }

  private async connection(): Promise<SensorConnection> {
    const current = this.connecting;
    if (current) {
      const known = await current.catch(() => undefined);
      if (known?.open) return known;
      if (this.connecting !== current) return this.connection();
    }
    this.connecting = SensorConnection.open(this.options.path, this.options.callTimeoutMs);
    return this.connecting;
  }
}

function stateOf(frame: Frame): SensorState {
  return parseSensorState(frame.fields.text(TAG.STATE) ?? '');
}

/** Between the socket, which pushes, and the reader, who pulls. */
class EventQueue {
  private readonly events: SensorEvent[] = [];
  private failure?: Error;
  private wake?: () => void;

  constructor(private readonly limit: number) {}

  push(frame: Frame): void {
    this.events.push(parseSensorEvent(frame.fields.text(TAG.EVENT) ?? ''));
    if (this.events.length > this.limit)
      throw new SensorUnavailableError('events are not taken fast enough');
    this.wake?.();
  }

  fail(error: Error): void {
    this.failure = error;
    this.wake?.();
  }

  async next(): Promise<SensorEvent> {
    for (;;) {
      const event = this.events.shift();
      if (event) return event;
      if (this.failure) throw this.failure;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
