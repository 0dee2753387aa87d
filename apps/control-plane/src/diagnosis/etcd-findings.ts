import { failed, fine, warned, type Finding } from '#contracts';
import type { EtcdStatus } from '#etcd';

/** etcd's own default; `up` sets the same. A larger quota is known to etcd alone, which then raises no alarm. */
const QUOTA_BYTES = 2 * 1024 ** 3;
const FULL_AT = 0.75;
const MIB = 1024 ** 2;
const DEFRAGMENT = 'etcdctl defrag, or a larger --quota-backend-bytes';
const GUIDE = 'docs/how-to/operate.md, "etcd is full"';

/** How etcd's room is; an error where it could not be asked. Pure. */
export function etcdFindings(status: EtcdStatus | Error): readonly Finding[] {
  if (status instanceof Error)
    return [failed('etcd-space', `not known: ${status.message}`, 'mend what `etcd` says first')];
  return [alarmFinding(status), spaceFinding(status)];
}

function alarmFinding({ alarms, revision }: EtcdStatus): Finding {
  const check = 'etcd-alarm';
  if (alarms.length === 0) return fine(check, 'etcd raises no alarm');
  if (alarms.includes('NOSPACE'))
    return failed(
      check,
      'etcd has reached its space quota and refuses writes (NOSPACE)',
      `\`etcdctl compaction ${revision}\`, \`etcdctl defrag\` of each member, \`etcdctl alarm disarm\` (${GUIDE})`,
    );
  return failed(
    check,
    `etcd raises ${alarms.join(', ')}`,
    'do not write; compare its members and restore the one that differs from a backup',
  );
}

function spaceFinding({ databaseBytes }: EtcdStatus): Finding {
  const size = `etcd holds ${Math.ceil(databaseBytes / MIB)} MiB`;
  if (databaseBytes < QUOTA_BYTES * FULL_AT) return fine('etcd-space', size);
  return warned(
    'etcd-space',
    `${size}; its quota is ${QUOTA_BYTES / MIB} MiB by default`,
    DEFRAGMENT,
  );
}
