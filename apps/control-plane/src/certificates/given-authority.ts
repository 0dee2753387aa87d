import { AuthorityRefusedError, checkAuthority, type KeyAndCertificate } from '#pki';
import { ConfigError } from '../config/config-error.js';
import { readText } from '../config/private.js';
import type { SecretFiles } from '../config/secret-files.js';

/** Where a certificate and its key are named, for messages, and where they lie. */
export interface AuthorityFiles {
  readonly cert: { readonly name: string; readonly path: string };
  readonly key: { readonly name: string; readonly path: string };
}

/** The authority in two files. Throws ConfigError, naming field, path, rule and remedy, unless it can be one. */
export function readAuthority(files: AuthorityFiles, secrets: SecretFiles): KeyAndCertificate {
  const authority = {
    certificatePem: readText(files.cert.name, files.cert.path),
    privateKeyPem: secrets.read(files.key.name, files.key.path),
  };
  checkFiles(files, authority);
  return authority;
}

/** As `readAuthority`, of what was read already. */
export function checkFiles(files: AuthorityFiles, authority: KeyAndCertificate): void {
  try {
    checkAuthority(authority);
  } catch (cause) {
    if (!(cause instanceof AuthorityRefusedError)) throw cause;
    const { name, path } = cause.part === 'key' ? files.key : files.cert;
    throw new ConfigError(name, path, `${cause.rule}; remedy: ${cause.remedy}`, { cause });
  }
}
