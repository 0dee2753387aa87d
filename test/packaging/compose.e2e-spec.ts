import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parseInitOptions } from '../../apps/control-plane/src/commands/init/options.js';
import { projectRoot } from '../e2e/support/product.js';

const FOLDER = join(projectRoot, 'packaging/compose');
const PACKAGE = join(projectRoot, 'packaging/hostward');
const text = readFileSync(join(FOLDER, 'compose.yaml'), 'utf8');
const settings = readFileSync(join(FOLDER, '.env.example'), 'utf8');

interface Service {
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: readonly string[];
  readonly build?: string;
}

const compose = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const services = Object.entries(compose.services);

/** Of the Compose specification, as far as it is used here. */
const KEYS = [
  ...[
    'build',
    'cap_drop',
    'command',
    'depends_on',
    'environment',
    'image',
    'network_mode',
    'ports',
  ],
  ...['profiles', 'read_only', 'restart', 'security_opt', 'stop_grace_period', 'tmpfs', 'volumes'],
];

const variables = (pattern: RegExp, from: string): string[] =>
  [...new Set([...from.matchAll(pattern)].map(([, name]) => name ?? ''))].toSorted();

describe('the compose file', () => {
  it('has only keys of the specification, and every volume and service that it names', () => {
    for (const [name, service] of services) {
      const unknown = Object.keys(service).filter((key) => !KEYS.includes(key));
      expect([name, unknown]).toEqual([name, []]);
      for (const volume of service.volumes ?? [])
        expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
      for (const other of service.depends_on ?? []) expect(compose.services).toHaveProperty(other);
    }
  });

  it('uses exactly the variables that .env.example explains', () => {
    const used = variables(/\$\{([A-Z_]+)[:}]/g, text);
    expect(used).toEqual(variables(/^([A-Z_]+)=/gm, settings));
    expect(text.match(/\$(?!\{)/g)).toBeNull();
  });

  it('names programs and files that the package or the image brings', () => {
    const commands = services.flatMap(([, { command }]) => command);
    const files = variables(/\/usr\/share\/hostward\/examples\/([\w.-]+)/g, commands.join(' '));
    expect(files).toEqual(['redis-events.conf', 'redis.conf']);
    for (const file of files) expect(existsSync(join(PACKAGE, 'examples', file))).toBe(true);
    const programs = [...new Set(services.map(([, { command }]) => basename(command[0] ?? '')))];
    const image = readFileSync(join(FOLDER, 'Dockerfile'), 'utf8');
    for (const program of programs.filter((each) => each !== 'sh'))
      expect([program, isBrought(program, image)]).toEqual([program, true]);
    for (const { build } of Object.values(compose.services))
      if (build !== undefined) expect(existsSync(join(FOLDER, build, 'Dockerfile'))).toBe(true);
  });

  it('tells init what it takes, under names that the other services have', () => {
    const [, , ...flags] = compose.services['init']?.command ?? [];
    const filled = flags.map((flag) => flag.replaceAll(/\$\{[^}]+\}/g, 'cp.example'));
    const { etcd, redis, redisEvents, names } = parseInitOptions(filled);
    expect(names).toEqual(expect.arrayContaining(['cp.example', 'etcd', 'redis', 'redis-events']));
    const hosts = [new URL(etcd).hostname, redis.host, redisEvents?.host ?? ''];
    for (const host of hosts) expect(compose.services).toHaveProperty([host]);
  });

  it('gives etcd, as the example for a cluster does, only settings that it has', () => {
    const help = execFileSync('etcd', ['--help'], { encoding: 'utf8' });
    const known = variables(/--([a-z-]+)/g, help).map(
      (flag) => `ETCD_${flag.replaceAll('-', '_').toUpperCase()}`,
    );
    const example = readFileSync(join(PACKAGE, 'examples/etcd.env'), 'utf8');
    const given = [
      ...Object.keys(compose.services['etcd']?.environment ?? {}),
      ...variables(/^([A-Z_]+)=/gm, example),
    ];
    expect(given.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('runs nothing as root, and nothing that may write to the image or gain permissions', () => {
    expect(readFileSync(join(FOLDER, 'Dockerfile'), 'utf8')).toMatch(/\nUSER hostward-control\n$/);
    for (const [, service] of services)
      expect(service).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
  });
});

function isBrought(program: string, image: string): boolean {
  if (program === 'etcd') return image.includes('etcd-server');
  return existsSync(join(PACKAGE, 'bin', program)) || image.includes(program);
}
