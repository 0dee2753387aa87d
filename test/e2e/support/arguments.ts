import { expect } from '@jest/globals';
import type { Vm } from '#testing';
import { alertsOf } from './alerts.js';
import { eventually } from './eventually.js';
import { expectAllowed } from './guest.js';
import type { Product } from './product.js';

const MINUTE = 60_000;
const TOOL = '/srv/open/say';
const MARK = '/run/arguments-mark';

const BY_DESCRIPTOR = `import os; os.execve(os.open("${TOOL}", os.O_RDONLY), ["say", "ok", "no"], {})`;

const POLICY = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: {name: few-arguments}
spec:
  nodeSelector: {matchLabels: {env: prod}}
  process:
    matchPaths:
    - {path: ${TOOL}, allowedArgs: [ok, ok2]}
    - {path: /srv/open/make, allowedArgs: [--help]}
  action: Block
`;

/**
 * Starts the tool again and again with an argument in memory that another process changes all the time: prints how often
 * it said what is allowed, how often it was killed, and whatever else it said.
 */
const CHANGING = `import collections, ctypes, json, mmap, os, signal, sys
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 4096)
memory.write(b'${TOOL}\\0')
base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
changer = os.fork()
if changer == 0:
    while True:
        memory[2048:2051] = b'ok\\0'
        memory[2048:2051] = b'no\\0'
seen = collections.Counter()
for _ in range(150):
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(into, 1)
        os.dup2(into, 2)
        argv = (ctypes.c_void_p * 3)(base, base + 2048, None)
        libc.execve(ctypes.c_void_p(base), argv, None)
        os._exit(99)
    os.close(into)
    said = os.read(out, 400).decode().strip()
    os.close(out)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seen['killed' if code == -signal.SIGKILL and said == '' else f'{code} {said}'] += 1
os.kill(changer, signal.SIGKILL)
print(json.dumps(seen))
`;

/** Rules on arguments hold before a program's first instruction, however the arguments are changed, and are told. */
export async function expectArgumentsJudged(product: Product, vm: Vm): Promise<void> {
  await vm.ssh(`cp /usr/bin/echo ${TOOL}; cp /usr/bin/touch /srv/open/make; rm -f ${MARK}`);
  await product.apply(POLICY, '--wait', '--timeout', '300s');
  await expectAllowed(vm, `test "$(${TOOL} ok ok2)" = 'ok ok2'`);
  // By execve, and by execveat on a descriptor.
  for (const started of [`${TOOL} ok no`, `python3 -c '${BY_DESCRIPTOR}'`]) {
    const { stdout } = await vm.ssh(`${started}; echo $?`);
    expect({ started, stdout }).toEqual({ started, stdout: '137\n' });
  }
  await vm.ssh(`/srv/open/make ${MARK}`, { allowFailure: true });
  await expectAllowed(vm, `test ! -e ${MARK}`);
  // The loader takes the program as an argument of its own.
  const loaded = await vm.ssh(`/lib64/ld-linux-x86-64.so.2 ${TOOL} ok 2>&1`, {
    allowFailure: true,
  });
  expect(loaded.stdout).toMatch(/failed to map segment/);

  await eventually('it is told', MINUTE, async () =>
    (await alertsOf(product, 'few-arguments')).some(
      ({ Resource, Operation, RuleID, Result }) =>
        Resource === TOOL &&
        Operation === 'Process' &&
        RuleID === 'process/matchPaths/0' &&
        Result === 'Permission denied',
    ),
  );
  const asked = `hostward-sensor explain --path ${TOOL} --operation exec --argument`;
  expect(JSON.parse((await vm.ssh(`${asked} ok`)).stdout)).toMatchObject({ verdict: 'allowed' });
  expect(JSON.parse((await vm.ssh(`${asked} ok --argument no`)).stdout)).toMatchObject({
    verdict: 'denied',
    rule: { policy: 'few-arguments', rule: 'process/matchPaths/0' },
  });

  await vm.writeFile('/run/changing.py', CHANGING);
  const changed = await vm.ssh('python3 /run/changing.py', { timeoutMs: 3 * MINUTE });
  process.stdout.write(`arguments that change during the exec: ${changed.stdout}`);
  const {
    killed,
    '0 ok': allowed,
    ...other
  } = JSON.parse(changed.stdout) as Record<string, number>;
  expect(other).toEqual({});
  expect(killed).toBeGreaterThan(0);
  expect(allowed).toBeGreaterThan(0);
}
