import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { authorizedKeys } from '#policy-compiler';

/** Each is looked at with every rule set. */
const MOST = 64;
const FIRST_PERSON = 1000;
const NOBODY = 65534;
const NO_SHELL = /^$|\/(?:nologin|false|sync)$/;

/**
 * The keys by which people log in, of those in /etc/passwd who may: images of clouds have one user each, by another name.
 * Of users that a directory service knows nothing is said here.
 */
export function keysOfLogins(root: string): ReturnType<typeof authorizedKeys> {
  const homes = readPasswd(root)
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, , uid, , , home = '', shell = '']) => isPerson(Number(uid)) && isLogin(home, shell))
    .map(([, , , , , home = '']) => home.replace(/\/+$/, ''));
  return authorizedKeys([...new Set(homes)].slice(0, MOST));
}

function isPerson(uid: number): boolean {
  return uid === 0 || (uid >= FIRST_PERSON && uid < NOBODY);
}

function isLogin(home: string, shell: string): boolean {
  return /^\/[^/]/.test(home) && !NO_SHELL.test(shell);
}

function readPasswd(root: string): string {
  try {
    return readFileSync(join(root, 'etc/passwd'), 'utf8');
  } catch {
    return '';
  }
}
