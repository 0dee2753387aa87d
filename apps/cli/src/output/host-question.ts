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
 * The command that asks a host's loaded table about what an alert tells of; undefined where it was about neither a path
 * nor a name of DNS, or not judged by BPF.
 */
export function hostQuestion({ Enforcer, Resource, Source, TTY, Data }: Alert): string | undefined {
  const object = objectOf(Resource, Data);
  if (Enforcer !== 'BPFLSM' || object === undefined) return undefined;
  const program = Source.startsWith('/') ? ['--program', quoted(Source)] : [];
  const terminal = TTY === undefined ? [] : ['--terminal'];
  return ['hostward-sensor explain', ...program, ...terminal, ...object].join(' ');
}

function objectOf(resource: string, data: string): readonly string[] | undefined {
  const letter = / requested=([rwlkmxq])/.exec(` ${data}`)?.[1] ?? '';
  const domain = letter === 'q' ? /^domain=(.+)$/.exec(resource)?.[1] : undefined;
  if (domain !== undefined) return ['--domain', quoted(domain)];
  const operation = OPERATIONS[letter];
  return operation === undefined || !resource.startsWith('/')
    ? undefined
    : ['--path', quoted(resource), '--operation', operation];
}

function quoted(text: string): string {
  return /^[\w./+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
