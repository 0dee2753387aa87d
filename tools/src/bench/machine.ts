import { execFile } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { promisify } from 'node:util';

/** On what a bench ran, in one line: CPU model and cores, memory, kernel, versions, and how busy it was before. */
export async function machineLine(): Promise<string> {
  const [etcd, redis, parser] = await Promise.all([
    versionOf('etcd', ['--version'], /etcd Version: (\S+)/),
    versionOf('redis-server', ['--version'], /v=(\S+)/),
    versionOf('apparmor_parser', ['--version'], /version (\S+)/),
  ]);
  const cores = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return [
    `${cores[0]?.model.trim() ?? 'unknown CPU'} x ${cores.length}`,
    `${memory} GiB`,
    `Linux ${release().split('-')[0] ?? ''}`,
    `Node ${process.versions.node}`,
    `etcd ${etcd}`,
    `Redis ${redis}`,
    `apparmor_parser ${parser}`,
    `load before ${(loadavg()[0] ?? 0).toFixed(1)}`,
  ].join(', ');
}

async function versionOf(command: string, args: string[], pattern: RegExp): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const answer = await promisify(execFile)(command, args, { timeout: 10_000, env }).catch(() => ({
    stdout: '',
  }));
  return pattern.exec(answer.stdout)?.[1] ?? 'absent';
}

/** The commit of a source tree, shortened; empty where it is none, as in a package. */
export async function commitOf(root: string): Promise<string> {
  const args = ['-C', root, 'rev-parse', '--short=12', 'HEAD'];
  const answer = await promisify(execFile)('git', args, { timeout: 10_000 }).catch(() => undefined);
  return answer?.stdout.trim() ?? '';
}
