import { fingerprint } from '#pki';
import { Authorities } from '../../certificates/authorities.js';
import { ConfigError } from '../../config/index.js';
import { readConfig } from '../../config/read-config.js';
import { SecretFiles } from '../../config/secret-files.js';
import { ensureEtcdAuthority, ensureLeaves } from './certificates.js';
import { ownLayout } from './layout.js';
import { readIfThere, writePrivate } from '../../config/private-file.js';

/** What `renew` answers on standard output, as one JSON object. */
export interface RenewAnswer {
  /** Certificates that are others now. */
  readonly renewed: readonly string[];
}

/**
 * Makes certificates of the data directory anew where half of their life is over, for the names that the configuration
 * advertises. Whoever uses them takes them in by itself. Throws ConfigError.
 */
export async function renew(file: string): Promise<RenewAnswer> {
  const { dataDir, keys, advertised, redis } = readConfig(file);
  const files = ownLayout(dataDir);
  if (redis.server && redis.server.key !== files.redis.key)
    throw new ConfigError(
      'redis.server.key',
      redis.server.key,
      `must be ${files.redis.key}: what \`up\` runs it renews by itself`,
    );
  const secrets = SecretFiles.open(files.keysFolder, keys.passphraseFile);
  const authority = Authorities.open(files.authority, secrets).issuing;
  const etcdAuthority = await ensureEtcdAuthority(files.etcdAuthority, secrets);
  const leaves = [files.controlPlane, files.redis, files.client, files.etcd, files.etcdClient];
  const before = leaves.map(({ cert }) => printOf(cert));
  const serverKeys = writePrivate;
  await ensureLeaves(files, { authority, etcdAuthority }, advertised, { secrets, serverKeys });
  const renewed = leaves.filter(({ cert }, i) => printOf(cert) !== before[i]);
  return { renewed: renewed.map(({ cert }) => cert) };
}

function printOf(path: string): string | undefined {
  const pem = readIfThere(path);
  return pem && fingerprint(pem);
}
