import { stat, statfs } from 'node:fs/promises';
import { kill } from 'node:process';
import { failed, fine, warned, type Finding } from '#contracts';
import { readContexts } from '../client/context-file.js';
import type { Context } from '../client/context.js';
import { portProblem } from '../embedded/free-ports.js';
import { keptPorts, type KeptPorts } from '../embedded/ports.js';
import { liveUp, type RunRecord } from '../embedded/run-record.js';
import { CommandFailed, messageOf } from '../output/errors.js';

const MIB = 1024 ** 2;
const LEAST_BYTES = 100 * MIB;
const OTHERS = 0o077;

/** What `up` runs on this machine, where the context is of one: found without asking it. */
export async function stackFindings({ url, ca }: Context): Promise<readonly Finding[]> {
  const { contexts } = await readContexts();
  // By its CA too: one that was here before had the same address.
  const dataDir = Object.values(contexts).find(
    (each) => each.url === url && each.ca === ca,
  )?.dataDir;
  if (dataDir === undefined) return [];
  const record = liveUp(dataDir);
  const folder = await folderFindings(dataDir);
  if (record !== undefined) return [...folder, programsFinding(record, dataDir)];
  const start = `hostward up --detach --data-dir ${dataDir}`;
  return [
    ...folder,
    failed('up', `no \`up\` runs on ${dataDir}`, start),
    ...(await ports(url, dataDir)),
  ];
}

async function folderFindings(dataDir: string): Promise<readonly Finding[]> {
  try {
    const [{ mode }, { bavail, bsize }] = await Promise.all([stat(dataDir), statfs(dataDir)]);
    const free = `${Math.floor((bavail * bsize) / MIB)} MiB free in ${dataDir}`;
    return [
      (mode & OTHERS) === 0
        ? fine('data-folder', `${dataDir} is its owner's alone`)
        : failed(
            'data-folder',
            `${dataDir} holds keys and is open to others`,
            `chmod 700 ${dataDir}`,
          ),
      bavail * bsize < LEAST_BYTES
        ? failed(
            'data-disk',
            free,
            'free space there: writes are refused, alerts wait with their hosts',
          )
        : fine('data-disk', free),
    ];
  } catch (error) {
    const why = messageOf(error);
    return [
      failed('data-folder', why, 'mount it, or choose another context: hostward context list'),
    ];
  }
}

function programsFinding({ children, ready }: RunRecord, dataDir: string): Finding {
  const gone = Object.entries(children).flatMap(([name, pid]) => (isAlive(pid) ? [] : [name]));
  if (gone.length > 0)
    return failed(
      'up',
      `not running: ${gone.join(', ')}; \`up\` starts it again`,
      `see ${dataDir}/*.log`,
    );
  return ready
    ? fine('up', `runs: ${Object.keys(children).join(', ')}`)
    : warned('up', 'it starts', `see ${dataDir}/up.log`);
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && kill(pid, 0);
  } catch {
    return false;
  }
}

/** Those that the next `up` needs, where another program has taken them. */
async function ports(url: string, dataDir: string): Promise<readonly Finding[]> {
  const { hostname, port } = new URL(url);
  let kept: KeptPorts | undefined;
  try {
    kept = await keptPorts(dataDir);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return [failed('ports', error.message, error.remedy ?? `see who may read ${dataDir}`)];
  }
  const ofRedis = [kept?.redis, kept?.redisEvents].filter((each) => each !== undefined);
  const wanted = [Number(port), ...ofRedis];
  const taken = await Promise.all(
    wanted.map(async (each) =>
      (await portProblem(hostname, each)) === 'EADDRINUSE' ? [each] : [],
    ),
  );
  if (taken.flat().length === 0) return [fine('ports', `free: ${wanted.join(', ')}`)];
  const first = taken.flat()[0] ?? 0;
  return [
    failed(
      'ports',
      `taken by another program: ${taken.flat().join(', ')}`,
      `\`ss -ltnp 'sport = :${first}'\` shows which; end it`,
    ),
  ];
}
