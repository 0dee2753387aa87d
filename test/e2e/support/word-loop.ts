import type { PolicyStatus } from '#contracts';
import type { Vm } from '#testing';
import { whileRunning } from './probe-loop.js';
import type { Product } from './product.js';

/**
 * Asks the control plane over and over what it says of a policy, and starts the program that it blocks meanwhile, by one
 * clock. Of a start between two answers that say `enforced` of the same revision, and none other, nothing may get through;
 * words of the revision before the change that is watched are about another program. A slow machine gets the time that
 * some starts between two such words take there.
 */
const SCRIPT = `import json, os, ssl, sys, threading, time, urllib.request
url, program, before_it = (sys.argv[1:] + [''])[:3]
token = open('/root/word-loop.token').read()
request = urllib.request.Request(url, headers={'authorization': 'Bearer ' + token})
context = ssl.create_default_context(cafile='/var/lib/hostward/agent/ca.crt')
words, starts = [], []
ENOUGH, MORE_S = 5, 60
def said_around(begun, ended):
    before = [word for _, at, word in words if at <= begun][-1:]
    after = [word for at, _, word in words if at >= ended][:1]
    return before == after and before not in ([], [''], [before_it])
def between():
    return [start for start in list(starts) if said_around(start[0], start[1])]
last = None
def is_over():
    global last
    if not os.path.exists('/run/word-loop.stop'):
        return False
    last = last or time.monotonic() + MORE_S
    return time.monotonic() > last or len(between()) >= ENOUGH
def ask():
    while not is_over():
        begun, word = time.monotonic(), ''
        try:
            status = json.load(urllib.request.urlopen(request, timeout=5, context=context))
            word = status['revision'] if status['enforcedEverywhere'] else ''
        except (OSError, ValueError):
            pass
        words.append((begun, time.monotonic(), word))
        time.sleep(0.05)
asking = threading.Thread(target=ask)
asking.start()
while not is_over():
    begun, passed = time.monotonic(), True
    try:
        os.waitpid(os.posix_spawn(program, [program, 'true'], {'PATH': '/usr/bin'}), 0)
    except PermissionError:
        passed = False
    starts.append((begun, time.monotonic(), passed))
    time.sleep(0.02)
asking.join()
print(json.dumps({
    'stopped': sum(not passed for _, _, passed in between()),
    'broken': ['at %.3f s of this boot' % begun for begun, _, passed in between() if passed][:5],
    'free': sum(passed for _, _, passed in starts),
}))
`;

export interface WordCount {
  /** Starts between two words of `enforced` that were refused. */
  readonly stopped: number;
  /** Those that were not: when. */
  readonly broken: readonly string[];
  /** Starts that were not refused, whatever was said. */
  readonly free: number;
}

/** The revision of a policy; empty where there is none. */
export async function revisionOf(product: Product, policy: string): Promise<string> {
  const { status, text } = await (await product.rest()).get(`/v1/policies/${policy}/status`);
  return status === 200 ? (JSON.parse(text) as PolicyStatus).revision : '';
}

/**
 * Compares, while `meanwhile` runs, each word about a policy with what a new process of a program may do that it blocks,
 * as of another revision than `before`.
 */
export async function whileComparing(
  vm: Vm,
  product: Product,
  { policy, program, before = '' }: { policy: string; program: string; before?: string },
  meanwhile: () => Promise<unknown>,
): Promise<WordCount> {
  const { token } = await product.context();
  await vm.writeFile('/root/word-loop.token', token);
  const url = `https://10.0.2.2:${product.port}/v1/policies/${policy}/status`;
  return whileRunning<WordCount>(vm, 'word-loop', SCRIPT, [url, program, before], meanwhile);
}
