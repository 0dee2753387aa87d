import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { authorizedKeys, loginShells, type ProtectedPath } from '#policy-compiler';

/** Each is looked at with every rule set. */
const MOST = 64;
const FIRST_PERSON = 1000;
const NOBODY = 65534;
const NO_SHELL = /\/(?:nologin|false|sync)$/;
/** By getpwent(3), where the field is empty. */
const DEFAULT_SHELL = '/bin/sh';

/**
 * What those in /etc/passwd who may log in need for it: the keys that sshd reads, since images of clouds have one user each,
 * by another name, and their shells. Of users that a directory service knows nothing is said here.
 */
export function needsOfLogins(root: string): readonly ProtectedPath[] {
  const people = readPasswd(root)
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === 7 && isPerson(Number(fields[2])))
    .map(([, , , , , home = '', shell]) => ({ home, shell: shell || DEFAULT_SHELL }))
    .filter(({ shell }) => shell.startsWith('/') && !NO_SHELL.test(shell));
  const homes = people.map(({ home }) => home).filter((home) => /^\/[^/]/.test(home));
  return [
    ...authorizedKeys(few(homes.map((home) => home.replace(/\/+$/, '')))),
    ...loginShells(few(people.map(({ shell }) => shell))),
  ];
}

function few(all: readonly string[]): readonly string[] {
  return [...new Set(all)].slice(0, MOST);
}

function isPerson(uid: number): boolean {
  return uid === 0 || (uid >= FIRST_PERSON && uid < NOBODY);
}

function readPasswd(root: string): string {
  try {
    return readFileSync(join(root, 'etc/passwd'), 'utf8');
  } catch {
    return '';
  }
}
