import { createInterface } from 'node:readline';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { History, Order } from '../history.js';

const ASSIGNMENT = /^hw:n:([0-9a-f]+):asg$/;
const ASSIGNMENT_VERSION =
  /^{"v":1,"assignmentVersion":{"epoch":"(\d+)","generation":"(\d+)","issuedAt":(\d+)}/;
/** `+TIME [DATABASE SOURCE] "WORD" "WORD"`; the source of what a script does is `lua`. */
const COMMAND = /^\+[\d.]+ \[\d+ (\S+)\] "(.*)"$/;
/** What empties it, or makes it a master or a replica: what it has afterwards, it may have from another node. */
const OTHER_DATA = ['flushall', 'slaveof', 'replicaof'];
const REMOVALS = ['unlink', 'del'];
const AGAIN_MS = 100;

export interface RedisLogin {
  readonly username: string;
  readonly password: string;
  readonly tls: Pick<ConnectionOptions, 'port' | 'ca' | 'cert' | 'key'>;
}

/**
 * Writes down what a Redis has for hosts, told by its own MONITOR past all links. Only what the script of the control plane
 * sets there: what a replica has, its master has written down. In Redis' own words, since ioredis takes what comes right
 * behind the answer to MONITOR for answers to nothing, and fails.
 */
export class OfferLog {
  #socket: TLSSocket | undefined;
  #isStopped = false;

  constructor(
    private readonly redis: string,
    private readonly login: RedisLogin,
    private readonly history: History,
  ) {
    this.#follow();
  }

  stop(): void {
    this.#isStopped = true;
    this.#socket?.destroy();
  }

  #follow(): void {
    if (this.#isStopped) return;
    const { username, password, tls } = this.login;
    const socket = connect({ ...tls, host: '127.0.0.1' });
    this.#socket = socket;
    socket.on('error', () => undefined);
    // What was set until it is back is not seen, and a process that starts anew has nothing.
    socket.on('close', () => {
      this.#lost();
      setTimeout(() => this.#follow(), AGAIN_MS);
    });
    socket.write(`AUTH ${username} ${password}\r\nMONITOR\r\n`);
    const lines = createInterface({ input: socket }).on('line', (line) => this.#take(line));
    // It passes on what the socket tells, which is looked at there.
    lines.on('error', () => undefined);
  }

  #take(line: string): void {
    const [, source, text = ''] = COMMAND.exec(line) ?? [];
    const [command = '', ...words] = text.split('" "');
    const name = command.toLowerCase();
    if (OTHER_DATA.includes(name)) this.#lost();
    if (REMOVALS.includes(name)) for (const key of words) this.#removed(key);
    if (name === 'set' && source === 'lua') this.#set(words);
  }

  #removed(key: string): void {
    const nodeId = ASSIGNMENT.exec(key)?.[1];
    if (nodeId !== undefined) this.#lost(nodeId);
  }

  #set([key = '', record = '']: readonly string[]): void {
    const nodeId = ASSIGNMENT.exec(key)?.[1];
    const numbers = ASSIGNMENT_VERSION.exec(record.replaceAll('\\"', '"'))?.slice(1);
    if (nodeId === undefined || numbers === undefined || this.#isStopped) return;
    const order = numbers.map(Number) as unknown as Order;
    this.history.write({ type: 'offered', redis: this.redis, nodeId, order });
  }

  #lost(nodeId?: string): void {
    if (!this.#isStopped) this.history.write({ type: 'lost', redis: this.redis, nodeId });
  }
}
