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
  const args = [file, program, PAUSE_S[what]];
  return whileRunning<ProbeCount>(vm, 'probe-loop', SCRIPT, args, meanwhile);
}

/** Runs a script of Python in the guest while `meanwhile` does, until its own /run/NAME.stop is there; gives the JSON that it prints. */
export async function whileRunning<Result>(
  vm: Vm,
  name: string,
  script: string,
  args: readonly (string | number)[],
  meanwhile: () => Promise<unknown>,
): Promise<Result> {
  const [program, answer] = [`/usr/local/sbin/${name}.py`, `/run/${name}.json`];
  await vm.writeFile(program, script);
  await vm.ssh(
    `rm -f /run/${name}.stop ${answer}; systemd-run --quiet --unit=${name} -p RemainAfterExit=yes ` +
      `-p StandardOutput=file:${answer} /usr/bin/python3 ${program} ${args.join(' ')}`,
  );
  try {
    await meanwhile();
  } finally {
    await vm.ssh(`touch /run/${name}.stop`);
  }
  await vm.ssh(
    `for i in $(seq 1200); do test -s ${answer} && break; read -t 0.1 < <(:) || true; done`,
  );
  const { stdout } = await vm.ssh(`cat ${answer}; systemctl stop ${name}`);
  return JSON.parse(stdout) as Result;
}
