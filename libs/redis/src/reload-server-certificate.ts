import type { RedisConnection } from './redis.connection.js';

/** Makes Redis read its own certificate and key again, from these files of its machine; connections that stand are kept. */
export async function reloadServerCertificate(
  connection: RedisConnection,
  { ca, cert, key }: { readonly ca: string; readonly cert: string; readonly key: string },
): Promise<void> {
  // One call: a certificate with the key of another would be refused.
  await connection.run('reloading the certificate of Redis', (client) =>
    client.config('SET', 'tls-ca-cert-file', ca, 'tls-cert-file', cert, 'tls-key-file', key),
  );
}
