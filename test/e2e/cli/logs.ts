import { describe, expect, it } from '@jest/globals';
import type { Alert } from '#contracts';
import { alertBatch } from '../../../apps/control-plane/src/testing/alerts.js';
import { eventually } from '../support/eventually.js';
import { RunningCommand } from '../support/running-command.js';
import { product, web1, run, out, MINUTE } from './one-product.js';

describe('logs', () => {
  it('shows alerts oldest first, by node, policy and time, and no control character of theirs', async () => {
    const batch = alertBatch('hostile', 11, 11);
    const alerts = batch.alerts.map((alert) => ({ ...alert, Resource: '/a\nb\u001b[31mred' }));
    await web1.send({ ...batch, alerts });
    const text = await eventually('it is there', MINUTE, async () => {
      const found = await out('logs', '--policy', 'hostile');
      return found !== '' && found;
    });
    expect(text).toMatch(
      /^\S+Z web1 BLOCK Process \/a\?b\?\[31mred by \S+ \[hostile\] Permission denied\n$/,
    );
    const lines = (await out('logs', '--json', '--node', 'web1')).trimEnd().split('\n');
    const events = lines.map((line) => (JSON.parse(line) as Alert).EventID);
    expect(events).toEqual(events.toSorted());
    expect(await out('logs', '--node', 'web2')).toBe('');
    expect((await out('logs', '--json', '--limit', '1')).trimEnd().split('\n')).toHaveLength(1);
    expect(await out('logs', '--since', '2999-01-01T00:00:00Z')).toBe('');
    expect((await out('logs', '--json', '--since', '1h')).trimEnd().split('\n')).toEqual(lines);
    expect(await run('logs', '--since', 'never')).toMatchObject({ code: 2 });
    expect(await run('logs', '--limit', '0')).toMatchObject({ code: 2 });
  });

  it(
    'follows over a control plane that is killed, without a loss and without a repetition',
    async () => {
      const following = RunningCommand.cli(['logs', '-f', '--json', '--policy', 'followed'], {
        env: { XDG_CONFIG_HOME: product.configHome },
      });
      const numbers = (): number[] =>
        following.lines.map((line) => Number((JSON.parse(line) as Alert).EventID.split('-')[1]));
      const has = (count: number): Promise<unknown> =>
        eventually(`${count} alerts`, MINUTE, () => Promise.resolve(numbers().length >= count));
      try {
        await web1.send(alertBatch('followed', 21, 23));
        await has(3);
        await product.signal('control plane', 'SIGKILL');
        await web1.send(alertBatch('followed', 24, 26));
        await eventually('it says that it was cut', MINUTE, () =>
          Promise.resolve(following.stderr.includes('the stream was cut')),
        );
        await has(6);
        await ready();
        await web1.send(alertBatch('followed', 27, 27));
        await has(7);
        expect(numbers()).toEqual([21, 22, 23, 24, 25, 26, 27]);
        expect(following.stderr).toBe(
          'hostward: the stream was cut, resuming when the control plane is back\n' +
            'hostward: the stream is back\n',
        );
      } finally {
        await following.stop();
      }
    },
    3 * MINUTE,
  );

  it('does not follow with a wrong token', async () => {
    const env = { HOSTWARD_TOKEN: 'wrong' };
    expect(await product.cli(['logs', '-f'], { env })).toMatchObject({ code: 1 });
  });
});

async function ready(): Promise<void> {
  await eventually('ready', MINUTE, async () => (await product.readiness()).status === 200);
}
