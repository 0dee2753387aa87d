import { X509Certificate, createHash } from 'node:crypto';
import { writeFileAtomic } from '../config/atomic-file.js';
import type { HostFiles } from '../config/host-files.js';

const MAX_AUTHORITIES = 8;
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What was given as authorities to trust is none. */
export class NoAuthorities extends Error {
  override readonly name = 'NoAuthorities';
}

/**
 * The authorities whose certificates this host believes: the one that it pinned when it enrolled, and those that it
 * then learned over connections which one of them proved. Every new connection asks here.
 */
export class TrustedAuthorities {
  #pem: string;

  constructor(
    private readonly files: Pick<HostFiles, 'ca'>,
    pem: string,
  ) {
    this.#pem = pem;
  }

  /** All of them, one PEM text. */
  get pem(): string {
    return this.#pem;
  }

  /** SHA-256 of the DER of each, hex. */
  get fingerprints(): readonly string[] {
    return certificatesOf(this.#pem).map(fingerprintOf);
  }

  /** Whether one of them issued the certificate, PEM. */
  issued(certificatePem: string, fingerprint: string): boolean {
    const leaf = new X509Certificate(certificatePem);
    return certificatesOf(this.#pem)
      .filter((authority) => fingerprintOf(authority) === fingerprint)
      .some((authority) => leaf.checkIssued(authority) && leaf.verify(authority.publicKey));
  }

  /** Trusts these from now on and no others; false where that changes nothing. Throws NoAuthorities. */
  async replace(authorities: readonly string[]): Promise<boolean> {
    const pem = authoritiesPem(authorities);
    if (pem === this.#pem) return false;
    await writeFileAtomic(this.files.ca, pem, { mode: 0o600 });
    this.#pem = pem;
    return true;
  }
}

/** One PEM text of authorities. Throws NoAuthorities for anything else, and for none. */
export function authoritiesPem(texts: readonly string[]): string {
  const found = texts.flatMap((text) => text.match(BLOCK) ?? []);
  if (found.length === 0 || found.length > MAX_AUTHORITIES)
    throw new NoAuthorities(`${found.length} certificates are not 1 to ${MAX_AUTHORITIES}`);
  for (const each of found) if (!parsed(each).ca) throw new NoAuthorities('one is of no authority');
  return found.map((each) => `${each}\n`).join('');
}

/** Whether an authority with this fingerprint is among those in a PEM text. */
export function holdsAuthority(pem: string, fingerprint: string): boolean {
  return certificatesOf(pem).some((each) => fingerprintOf(each) === fingerprint);
}

function certificatesOf(pem: string): readonly X509Certificate[] {
  return (pem.match(BLOCK) ?? []).map(parsed);
}

function parsed(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new NoAuthorities('one cannot be read', { cause });
  }
}

function fingerprintOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('hex');
}
