import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { execPath } from 'node:process';
import { createInterface, type Interface } from 'node:readline';
import { freePort } from '#testing';
import { deferAccept } from './deferred-accept.js';

/** Says `taken` for each connection that it is given. */
const SERVER = `
  const server = require('node:net').createServer((socket) => {
    console.log('taken');
    socket.on('error', () => undefined);
  });
  server.listen(Number(process.argv[1]));
`;
const SILENT_MS = 300;

let port: number;
let child: ChildProcess;
let lines: Interface;
let taken = 0;

beforeAll(async () => {
  port = await freePort();
  child = spawn(execPath, ['-e', SERVER, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (!child.stdout) throw new Error('no output');
  lines = createInterface({ input: child.stdout });
  lines.on('line', () => (taken += 1));
});
afterAll(async () => {
  child.kill();
  await once(child, 'close');
});

describe('a process whose connections are deferred', () => {
  it('sees a connection when its first bytes are there, and not before', async () => {
    expect(await deferAccept(child.pid ?? 0)).toEqual([port]);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    await new Promise((resolve) => setTimeout(resolve, SILENT_MS));
    expect(taken).toBe(0);
    socket.write('hello');
    await once(lines, 'line');
    expect(taken).toBe(1);
    socket.destroy();
  });

  it('cannot be one that is gone', async () => {
    const gone = spawn(execPath, ['-e', '0']);
    await once(gone, 'close');
    await expect(deferAccept(gone.pid ?? 0)).rejects.toThrow('ENOENT');
  });
});
