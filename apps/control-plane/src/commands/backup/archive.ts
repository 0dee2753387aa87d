import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_MANIFEST_BYTES = 256 * 1024;
/** A store of alerts may be large; one that hangs is not waited for without end. */
const TIMEOUT_MS = 3_600_000;

/** Puts members of `folder` into a tar archive, in this order, owned by nobody in particular. */
export async function pack(
  archive: string,
  folder: string,
  members: readonly string[],
): Promise<void> {
  const form = ['--format=ustar', '--owner=0', '--group=0', '--numeric-owner', '--mode=0600'];
  await run('tar', ['-cf', archive, ...form, '-C', folder, '--', ...members], {
    timeout: TIMEOUT_MS,
  });
}

/** The text of one small member, the first of its name. Rejects where there is none. */
export async function readMember(archive: string, member: string): Promise<string> {
  const first = ['--occurrence=1', '--to-stdout'];
  const { stdout } = await run('tar', ['-xf', archive, ...first, '--', member], {
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_MANIFEST_BYTES,
  });
  return stdout;
}

/** Puts these members into `folder`, which is empty; what they are there is for the caller to check. */
export async function unpack(
  archive: string,
  folder: string,
  members: readonly string[],
): Promise<void> {
  const form = ['--no-same-owner', '--no-same-permissions', '--occurrence=1'];
  await run('tar', ['-xf', archive, ...form, '-C', folder, '--', ...members], {
    timeout: TIMEOUT_MS,
  });
}
