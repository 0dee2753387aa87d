import type { Alert } from '#contracts';

const OPERATIONS: Readonly<Record<string, string>> = {
  r: 'read',
  w: 'write',
  l: 'link',
  k: 'lock',
  m: 'map',
  x: 'exec',
};

/**
 * The command that asks a host's loaded table about what an alert tells of; undefined where it was not about a path, or
 * not judged by BPF.
 */
export function hostQuestion({ Enforcer, Resource, Source, Data }: Alert): string | undefined {
  const letter = / requested=([rwlkmx])/.exec(` ${Data}`)?.[1];
  const operation = letter === undefined ? undefined : OPERATIONS[letter];
  if (Enforcer !== 'BPFLSM' || operation === undefined || !Resource.startsWith('/'))
    return undefined;
  const program = Source.startsWith('/') ? ['--program', quoted(Source)] : [];
  const object = ['--path', quoted(Resource), '--operation', operation];
  return ['hostward-sensor explain', ...program, ...object].join(' ');
}

function quoted(text: string): string {
  return /^[\w./+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
