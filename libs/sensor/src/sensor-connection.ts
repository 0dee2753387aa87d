import { connect, type Socket } from 'node:net';
import {
  encodeFrame,
  type Field,
  type Frame,
  FrameDecoder,
  type MessageType,
  MSG,
  TAG,
} from './protocol.js';
import { SensorRefusedError, SensorUnavailableError } from './sensor.js';

interface Waiting {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One connection to the sensor: requests matched to answers by number, and frames that nobody asked for. Whatever goes
 * wrong ends it whole, since a stream that lost its place cannot be trusted again.
 */
export class SensorConnection {
  private readonly decoder = new FrameDecoder();
  private readonly waiting = new Map<number, Waiting>();
  private nextRequest = 1;
  private failure?: Error;

  private constructor(
    private readonly socket: Socket,
    private readonly onEvent: (frame: Frame) => void,
    private readonly onEnd: (error: Error) => void,
  ) {
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error) =>
      this.end(unavailable('the connection to the sensor broke', error)),
    );
    socket.on('close', () => this.end(unavailable('the sensor closed the connection')));
  }

  static open(
    path: string,
    timeoutMs: number,
    onEvent: (frame: Frame) => void = () => undefined,
    onEnd: (error: Error) => void = () => undefined,
  ): Promise<SensorConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path });
      const fail = (error: Error) => {
        socket.destroy();
        reject(
          unavailable(
            `the sensor at ${path} cannot be reached; is hostward-sensor.service running?`,
            error,
          ),
        );
      };
      const timer = setTimeout(() => fail(new Error('timed out')), timeoutMs);
      socket.once('error', fail);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        resolve(new SensorConnection(socket, onEvent, onEnd));
      });
      socket.once('close', () => clearTimeout(timer));
    });
  }

  get open(): boolean {
    return this.failure === undefined;
  }

  /** @throws SensorRefusedError on an ERROR frame, SensorUnavailableError */
  request(
    type: MessageType,
    fields: readonly Field[],
    expected: MessageType,
    timeoutMs: number,
  ): Promise<Frame> {
    if (this.failure) return Promise.reject(this.failure);
    const request = this.nextRequest++;
    const bytes = encodeFrame(type, request, fields);
    return new Promise<Frame>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          this.end(unavailable(`the sensor did not answer message ${type} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.waiting.set(request, { resolve, reject, timer });
      this.socket.write(bytes);
    }).then((frame) => accept(frame, expected));
  }

  close(): void {
    this.end(unavailable('the connection was closed here'));
  }

  private receive(chunk: Uint8Array): void {
    try {
      for (const frame of this.decoder.push(chunk)) this.dispatch(frame);
    } catch (error) {
      this.end(unavailable('the sensor broke the protocol', error));
    }
  }

  private dispatch(frame: Frame): void {
    if (frame.request === 0 && frame.type === MSG.EVENT) return this.onEvent(frame);
    const asked = this.waiting.get(frame.request);
    if (!asked)
      throw new Error(`message ${frame.type} answers request ${frame.request}, which was not made`);
    this.waiting.delete(frame.request);
    clearTimeout(asked.timer);
    asked.resolve(frame);
  }

  private end(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.waiting.clear();
    this.socket.destroy();
    this.onEnd(error);
  }
}

function unavailable(message: string, cause?: unknown): SensorUnavailableError {
  const detail = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return new SensorUnavailableError(detail, { cause });
}

function accept(frame: Frame, expected: MessageType): Frame {
  if (frame.type === MSG.ERROR) {
    throw new SensorRefusedError(
      frame.fields.text(TAG.CODE) ?? 'unknown',
      frame.fields.text(TAG.MESSAGE) ?? 'the sensor gave no reason',
    );
  }
  if (frame.type !== expected)
    throw unavailable(`the sensor answered with message ${frame.type}, not ${expected}`);
  return frame;
}
