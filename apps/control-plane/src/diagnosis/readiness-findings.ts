import { failed, fine, type Finding } from '#contracts';
import type { Check } from '../health/readiness.js';
import { ONE_STORE_REMEDY } from '../replicas/one-store.js';

/** What to do about each check of `/readyz`; they name what is wrong themselves. */
const REMEDIES: Readonly<Record<string, string>> = {
  etcd: 'see that etcd runs and that its address, certificate and client permissions are right (etcd.log, etcd.hosts); nothing is lost meanwhile',
  redis:
    'see that Redis runs, and that redis.username and its password are those of its ACL (redis.log); hosts enforce what they have',
  'redis-shards':
    'see that each Redis of redis.shards runs, and that every control plane has the same redis.shards; hosts of the others are served',
  records:
    'a newer replica or somebody else wrote them: upgrade this one, or restore etcd from a backup',
  alerts:
    'free space where the data folder lies, or see that PostgreSQL runs and that store.postgresql is right; hosts keep their alerts until then',
  auditLog:
    'free space where the data folder lies, or see that PostgreSQL runs and that store.postgresql is right; writes are refused until then',
  'etcd-writes':
    'what `etcd-alarm` says; until then writes are refused, and hosts enforce what they have',
  store: ONE_STORE_REMEDY,
  restore:
    'bring etcd to where it was, or publish a root document with the next epoch (hostward recover)',
};

/** `/readyz` as findings. Pure. */
export function readinessFindings(checks: readonly Check[]): readonly Finding[] {
  return checks.map(({ name, ok, detail }) =>
    ok
      ? fine(name, detail)
      : failed(name, detail, REMEDIES[name] ?? 'see the log of the control plane'),
  );
}
