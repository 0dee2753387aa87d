import type { Vm } from '#testing';

/**
 * Tries over and over, in a loop of its own in the guest, what is blocked: to read a file and to start a program. What
 * gets through is counted, with the number of tries and the longest time without one. The pause between tries leaves the
 * processor to those who are to open a gap.
 */
const SCRIPT = `import json, os, sys, time
path, program, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
tries = through = 0
holes = []
def passed(what):
    global through
    through += 1
    if through <= 5:
        holes.append('%s at %.3f s of this boot' % (what, time.monotonic()))
longest, last = 0.0, time.monotonic()
while not os.path.exists('/run/probe-loop.stop'):
    try:
        os.close(os.open(path, os.O_RDONLY))
        passed('read')
    except PermissionError:
        pass
    tries += 1
    if tries % 20 == 0:
        try:
            os.waitpid(os.posix_spawn(program, [program, '0'], {}), 0)
            passed('start')
        except PermissionError:
            pass
        tries += 1
    time.sleep(pause)
    now = time.monotonic()
    longest, last = max(longest, now - last), now
print(json.dumps({'tries': tries, 'through': through, 'holes': holes, 'longestGapMs': round(longest * 1000)}))
`;

export interface ProbeCount {
  readonly tries: number;
  readonly through: number;
  /** What the first of these were, and when, to be looked for in the journal. */
  readonly holes: readonly string[];
  readonly longestGapMs: number;
}

/** Less than a start of a program takes, where programs are killed; while packages are replaced a start is the least. */
const PAUSE_S = { kill: 0.001, upgrade: 0.02 };

/** Runs the loop while `meanwhile` does. */
export async function whileProbing(
  vm: Vm,
  file: string,
  program: string,
  meanwhile: () => Promise<void>,
  what: keyof typeof PAUSE_S = 'upgrade',
): Promise<ProbeCount> {
  await vm.writeFile('/usr/local/sbin/probe-loop.py', SCRIPT);
  await vm.ssh(
    `rm -f /run/probe-loop.stop /run/probe-loop.json; systemd-run --quiet --unit=probe-loop -p RemainAfterExit=yes ` +
      `-p StandardOutput=file:/run/probe-loop.json /usr/bin/python3 /usr/local/sbin/probe-loop.py ${file} ${program} ${PAUSE_S[what]}`,
  );
  try {
    await meanwhile();
  } finally {
    await vm.ssh('touch /run/probe-loop.stop');
  }
  await vm.ssh(
    'for i in $(seq 1200); do test -s /run/probe-loop.json && break; read -t 0.1 < <(:) || true; done',
  );
  const { stdout } = await vm.ssh('cat /run/probe-loop.json; systemctl stop probe-loop');
  return JSON.parse(stdout) as ProbeCount;
}
