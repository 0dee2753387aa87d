import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { tellOften } from './flood-counts.js';

/**
 * A program of an attacker, run as a process of its own so that what it does to others can be told from what its test
 * costs. Reads its orders (JSON) from standard input.
 */
export type ConnectionOrders = (Connecting | Burning) & { readonly forMs: number };

/** Opens connections, logs in on each, and opens each anew as soon as it ends; `churn` ends each after its login. */
interface Connecting {
  readonly kind: 'hold' | 'churn';
  readonly port: number;
  readonly ca: string;
  readonly username: string;
  readonly password: string;
  readonly connections: number;
}

/** Attacks nobody: burns this share of a core, as any other program on the same machine may. */
interface Burning {
  readonly kind: 'burn';
  readonly share: number;
}

const SLICE_MS = 10;
let [opened, standing] = [0, 0];

function open(orders: Connecting): void {
  const { port, ca, username, password, kind } = orders;
  const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' });
  socket.once('secureConnect', () => {
    opened += 1;
    standing += 1;
    socket.once('close', () => (standing -= 1));
    socket.write(`AUTH ${username} ${password}\r\n`);
  });
  socket.on('data', () => kind === 'churn' && socket.destroy());
  socket.on('error', () => undefined);
  socket.once('close', () => setImmediate(open, orders));
}

function burn(share: number): void {
  const until = performance.now() + SLICE_MS * share;
  while (performance.now() < until);
  setTimeout(burn, SLICE_MS * (1 - share), share);
}

const orders = JSON.parse(readFileSync(0, 'utf8')) as ConnectionOrders;
if (orders.kind === 'burn') burn(orders.share);
else for (let i = 0; i < orders.connections; i += 1) open(orders);
tellOften(orders.forMs, () => ({ done: opened, standing }));
