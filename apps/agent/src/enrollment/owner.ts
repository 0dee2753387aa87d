import { readFile } from 'node:fs/promises';

/** Ids of a local user; from /etc/passwd, where a package's system user is. */
export async function ownerNamed(user: string): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile('/etc/passwd', 'utf8');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === user);
  if (fields === undefined)
    throw new Error(`there is no local user ${user}; create it, or name another by --agent-user`);
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}
