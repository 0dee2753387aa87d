import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';

/**
 * A program of an attacker, run as a process of its own so that what it does to others can be told from what its test
 * costs. Reads its orders (JSON) from standard input, tells four times a second, and when it is ended, what it
 * did, and ends when its output is closed.
 */
export type FloodOrders = (Connecting | Burning) & { readonly forMs: number };

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

/** What it tells, over all of its time. */
export interface FloodCounts {
  readonly opened: number;
  readonly standing: number;
  /** Share of a core that it used. */
  readonly share: number;
}

const TELL_MS = 250;
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

function tell(started: number): void {
  const { user, system } = process.cpuUsage();
  const share = (user + system) / 1_000 / (performance.now() - started);
  const counts: FloodCounts = { opened, standing, share };
  process.stdout.write(`${JSON.stringify(counts)}\n`);
}

const orders = JSON.parse(readFileSync(0, 'utf8')) as FloodOrders;
if (orders.kind === 'burn') burn(orders.share);
else for (let i = 0; i < orders.connections; i += 1) open(orders);
const started = performance.now();
setInterval(tell, TELL_MS, started);
process.stdout.on('error', () => process.exit(0));
process.once('SIGTERM', () => {
  tell(started);
  process.exit(0);
});
setTimeout(() => process.exit(0), orders.forMs);
