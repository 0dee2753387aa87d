import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { HostKeys } from './host-keys.js';
import { SshSession } from './ssh-session.js';
import { parseTarget } from './target.js';

it('a login at a host that says nothing is broken off with the run', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const run = new AbortController();
  silent.once('connection', () => run.abort());
  try {
    const hostKeys = await HostKeys.read({ files: [], fingerprints: [] });
    const target = parseTarget(`root@127.0.0.1:${(silent.address() as AddressInfo).port}`);
    const login = SshSession.open(target, { password: 'x' }, { hostKeys, signal: run.signal });
    await expect(login).rejects.toMatchObject({ code: 'interrupted' });
  } finally {
    silent.close();
  }
}, 60_000);
