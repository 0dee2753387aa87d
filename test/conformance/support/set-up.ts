import { type Enforcer, type Group, ROOT, SOURCES } from '../case.js';
import { GROUPS } from '../cases.js';

/** Where the programs lie that act as sources: copies of the guest's python. */
export const TOOLS = `${ROOT}/tools`;

/** Makes the directories, files and programs of all groups, open to everybody as far as plain permissions go. */
export const SETUP = [
  'set -e; umask 000',
  `mkdir -p ${TOOLS}`,
  ...SOURCES.map((name) => `cp "$(readlink -f /usr/bin/python3)" ${TOOLS}/${name}`),
  ...GROUPS.flatMap(made),
].join('\n');

function made({ name, files }: Group): readonly string[] {
  const folder = `${ROOT}/${name}`;
  return [`mkdir -p ${folder}`, ...files.map((file) => madeFile(`${folder}/${file}`))];
}

/** `x/` is a directory, `x!` a program, `x#` a script, `x~` one of `interpreter`, a shell beside it. */
function madeFile(path: string): string {
  const name = path.slice(0, -1);
  if (path.endsWith('/')) return `mkdir -p ${path}`;
  if (path.endsWith('!')) return `cp /usr/bin/true ${name}; chmod 755 ${name}`;
  if (path.endsWith('#')) return `printf '#!/bin/sh\\nexit 0\\n' > ${name}; chmod 755 ${name}`;
  if (path.endsWith('~')) {
    const shell = `${name.slice(0, name.lastIndexOf('/'))}/interpreter`;
    return `cp /bin/sh ${shell}; printf '#!%s -e\\nexit 0\\n' ${shell} > ${name}; chmod 755 ${shell} ${name}`;
  }
  return `echo data > ${path}`;
}

/** Every policy of the matrix, for the hosts with these labels, as one stream of documents. */
export function policiesOf(labels: Readonly<Record<string, string>>): string {
  return GROUPS.flatMap(({ name, policies }) =>
    policies.map(({ spec, annotations }, index) => {
      const document = {
        apiVersion: 'security.kubearmor.com/v1',
        kind: 'KubeArmorHostPolicy',
        metadata: { name: policyName(name, index), ...(annotations ? { annotations } : {}) },
        spec: { nodeSelector: { matchLabels: labels }, ...spec },
      };
      return JSON.stringify(document, (_, value: unknown) =>
        typeof value === 'string' ? placed(value, name) : value,
      );
    }),
  ).join('\n---\n');
}

function policyName(group: string, index: number): string {
  return `conform-${group}-${index}`;
}

/** Names of the policies, with whether this enforcer takes them. */
export function namesOf(enforcer: Enforcer): readonly { name: string; supported: boolean }[] {
  return GROUPS.flatMap(({ name, policies }) =>
    policies.map(({ unsupported = [] }, index) => ({
      name: policyName(name, index),
      supported: !unsupported.includes(enforcer),
    })),
  );
}

function placed(text: string, group: string): string {
  return text.replace(/^D\//, `${ROOT}/${group}/`).replace(/^S\//, `${TOOLS}/`);
}
