import { expect } from '@jest/globals';
import type { Alert } from '#contracts';
import type { Vm } from '#testing';
import { eventually } from './eventually.js';
import type { Product } from './product.js';

const CLASSES = ['process', 'file', 'network', 'capabilities', 'dns'] as const;
const LABEL = 'visibility.hostward.io';
const MINUTE = 60_000;

/** Does one thing of each class, and one thing again and again. */
const ACT = `import os, socket
listener = socket.socket()
listener.bind(('127.0.0.1', 4711))
listener.listen()
caller = socket.create_connection(('127.0.0.1', 4711))
answered = listener.accept()
question = b'\\x12\\x34\\x01\\x00\\x00\\x01' + b'\\x00' * 6 + b'\\x07watched\\x07example\\x00\\x00\\x1c\\x00\\x01'
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(question, ('127.0.0.1', 53))
open('/srv/watched', 'w').close()
for i in range(500):
    open('/srv/watched').close()
os.chown('/srv/watched', 1, 1)
`;

interface Sensing {
  readonly watched: readonly string[];
  readonly losses: Readonly<Record<string, number>>;
}

async function sensingOf(vm: Vm): Promise<Sensing> {
  const { stdout } = await vm.ssh('hostward-sensor status --json');
  return (JSON.parse(stdout) as { sensing: Sensing }).sensing;
}

async function observedOn(product: Product, node: string): Promise<readonly Alert[]> {
  const args = ['logs', '--observed', '--node', node, '--json', '--limit', '20000'];
  const { stdout } = await product.must(args);
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Alert]));
}

/** By labels alone a host is made to watch, tells what was done by whom, and stops again. */
export async function expectWatching(product: Product, vm: Vm, node: string): Promise<void> {
  expect((await sensingOf(vm)).watched).toEqual([]);
  await product.must(['label', 'node', node, ...CLASSES.map((each) => `${LABEL}/${each}=on`)]);
  await eventually('all is watched', 2 * MINUTE, async () => {
    const { watched } = await sensingOf(vm);
    return watched.length === CLASSES.length;
  });
  await vm.ssh(`cat > /srv/act.py <<'END'\n${ACT}END\npython3 /srv/act.py one two`);
  let seen: readonly Alert[] = [];
  const all = ['(python3 /srv/act.py one two)', '/srv/watched', 'chown'] as const;
  await eventually('it is told', MINUTE, async () => {
    seen = await observedOn(product, node);
    return all.every((text) => seen.some(({ Resource }) => Resource.includes(text)));
  });
  const started = seen.find(({ Resource }) => Resource.includes(all[0]));
  const exec = started?.ExecEvent;
  expect(started).toMatchObject({ PolicyName: 'visibility/process', Operation: 'Process' });
  const own = seen.filter(({ ExecEvent }) => ExecEvent?.ExecID === exec?.ExecID);
  const told = own.map(({ PolicyName, Resource }) => `${PolicyName} ${Resource}`);
  const tcp = 'visibility/network family=inet protocol=TCP type=SOCK_STREAM address=127.0.0.1';
  expect(told).toEqual(
    expect.arrayContaining([
      'visibility/file /srv/watched',
      'visibility/capabilities chown',
      'visibility/dns domain=watched.example type=28',
      `${tcp}:4711`,
    ]),
  );
  // Of 500 opens one is told, and one for writing.
  expect(own.filter(({ Resource }) => Resource === '/srv/watched')).toHaveLength(2);
  const times = own.map(({ EventID }) => EventID);
  expect(times).toEqual([...times].sort());
  await product.must(['label', 'node', node, ...CLASSES.map((each) => `${LABEL}/${each}-`)]);
  await eventually('nothing is watched', MINUTE, async () => {
    const { watched } = await sensingOf(vm);
    return watched.length === 0;
  });
  expect((await sensingOf(vm)).losses['repeated']).toBeGreaterThan(400);
}
