import { existsSync, rmSync } from 'node:fs';
import type { X509Certificate } from 'node:crypto';
import {
  createAuthority,
  fingerprint,
  holderOf,
  isIssuedBy,
  type CertificateHolder,
  type KeyAndCertificate,
} from '#pki';
import { ConfigError } from '../config/config-error.js';
import type { ServerConfig } from '../config/index.js';
import { readIfThere, writePrivate } from '../config/private-file.js';
import type { SecretFiles } from '../config/secret-files.js';
import { authorityPaths, type AuthorityPaths } from './authority-paths.js';
import { checkFiles, readAuthority, type AuthorityFiles } from './given-authority.js';

/** `begun`: the next one is trusted and does not sign yet; `switched`: it signs, the one before is still trusted. */
export type ReplacementPhase = 'settled' | 'begun' | 'switched';

/** How an authority may be put: the one that signs, the one that will, or the one that did. */
export type AuthorityRole = 'issuing' | 'next' | 'previous';

interface Held {
  readonly role: AuthorityRole;
  readonly certificatePem: string;
}

const DAYS = 3_650;
/** Each is of a host that asked: more than one control plane serves. */
const MAX_HOLDERS = 50_000;

/**
 * The authority that signs, and while it is being replaced the one that follows or went before: what programs trust is
 * all of them. Files are the truth, and are read anew by `reload`; each step can be broken off anywhere and is ended, or
 * not begun, at the next `open`.
 */
export class Authorities {
  #issuing: KeyAndCertificate;
  #next: string | undefined;
  #previous: string | undefined;
  readonly #listeners: (() => Promise<void>)[] = [];
  /** By fingerprint of a certificate that one of them signed: to verify that costs more than the request it comes with. */
  readonly #holders = new Map<string, CertificateHolder>();

  private constructor(
    private readonly paths: AuthorityPaths,
    private readonly secrets: SecretFiles,
  ) {
    this.#endSwitch();
    this.#issuing = this.#readIssuing();
    this.#readOthers();
  }

  /** Reads them. Throws ConfigError where the one that signs cannot. */
  static open(paths: AuthorityPaths, secrets: SecretFiles): Authorities {
    return new Authorities(paths, secrets);
  }

  /**
   * As `open`; where there is none yet, it is made, or is the one in the files that an operator gives. Another one than
   * is there already is refused: hosts have pinned it.
   */
  static async ensure(
    paths: AuthorityPaths,
    secrets: SecretFiles,
    given?: AuthorityFiles,
  ): Promise<Authorities> {
    // A key that an operator gives lies in clear, also where ours are sealed.
    const own = given && readAuthority(given, secrets.plain);
    const { cert, key } = paths.issuing;
    // A key that nobody was told to trust is of a first start that was broken off.
    const isUsed = existsSync(key) && existsSync(paths.trusted);
    if (!existsSync(cert) && !isUsed) {
      const made = own ?? (await createAuthority({ name: 'Hostward CA', days: DAYS }));
      // The key first: a certificate without its key would be taken for a whole authority.
      secrets.write(key, made.privateKeyPem);
      writePrivate(cert, made.certificatePem);
    }
    const authorities = new Authorities(paths, secrets);
    if (own && given) authorities.#mustHave(own, given);
    authorities.#writeTrusted();
    return authorities;
  }

  /** The files that say which are trusted and which signs; those of a replacement may be missing. */
  get files(): readonly string[] {
    const { issuing, next, previous } = this.paths;
    return [issuing.cert, next.cert, previous];
  }

  /** The one that signs. */
  get issuing(): KeyAndCertificate {
    return this.#issuing;
  }

  /** All that are trusted, the one that signs first. */
  get trusted(): readonly Held[] {
    const others = [
      ['next', this.#next],
      ['previous', this.#previous],
    ] as const;
    return [
      { role: 'issuing', certificatePem: this.#issuing.certificatePem },
      ...others.flatMap(([role, pem]) =>
        pem === undefined ? [] : [{ role, certificatePem: pem }],
      ),
    ];
  }

  /** All that are trusted, one PEM text. */
  get trustedPem(): string {
    return pemOf(this.trusted);
  }

  /** Whose certificate this is and until when, where one that is trusted now signed it; it may be over. */
  holderOf(certificate: X509Certificate): CertificateHolder | undefined {
    const { fingerprint256 } = certificate;
    const known = this.#holders.get(fingerprint256);
    if (known !== undefined) return known;
    const { raw } = certificate;
    if (!this.trusted.some(({ certificatePem }) => isIssuedBy(raw, certificatePem)))
      return undefined;
    const holder = holderOf(certificate);
    if (this.#holders.size >= MAX_HOLDERS) this.#holders.clear();
    this.#holders.set(fingerprint256, holder);
    return holder;
  }

  get phase(): ReplacementPhase {
    if (this.#previous !== undefined) return 'switched';
    return this.#next === undefined ? 'settled' : 'begun';
  }

  /** Called after each change of what is trusted or who signs, and waited for. */
  onChange(listener: () => Promise<void>): void {
    this.#listeners.push(listener);
  }

  /**
   * Reads the files anew, which another process of this installation, or a copy from another control plane, may have
   * changed; true where that changed something.
   */
  reload(): boolean {
    const before = this.trustedPem;
    this.#endSwitch();
    this.#issuing = this.#readIssuing();
    this.#readOthers();
    const isChanged = this.trustedPem !== before;
    if (isChanged) this.#holders.clear();
    return isChanged;
  }

  /** The next one is trusted from now on; made here unless given. Only from `settled`. */
  async begin(given?: KeyAndCertificate): Promise<void> {
    const made = given ?? (await createAuthority({ name: 'Hostward CA', days: DAYS }));
    this.secrets.write(this.paths.next.key, made.privateKeyPem);
    writePrivate(this.paths.next.cert, made.certificatePem);
    await this.#settle();
  }

  /** The next one signs from now on; the key of the one before is gone. Only from `begun`. */
  async switch(): Promise<void> {
    writePrivate(this.paths.previous, this.#issuing.certificatePem);
    this.#endSwitch();
    await this.#settle();
  }

  /** The one before is not trusted any more. Only from `switched`. */
  async finish(): Promise<void> {
    this.#writeTrustedWithout('previous');
    rmSync(this.paths.previous);
    await this.#settle();
  }

  /** Takes a replacement back that has only begun. */
  async abort(): Promise<void> {
    const { cert, key } = this.paths.next;
    this.#writeTrustedWithout('next');
    // The certificate first: what has none is not there.
    rmSync(cert);
    rmSync(key, { force: true });
    await this.#settle();
  }

  /**
   * A switch has begun where the next one is there and what signs is kept as the one before: it is ended, and may be ended
   * again, also by two processes at once. What was kept of another replacement begins none.
   */
  #endSwitch(): void {
    const { previous, next, issuing } = this.paths;
    const [cert, before, signs] = [next.cert, previous, issuing.cert].map(readIfThere);
    if (cert === undefined || before === undefined) return;
    if (signs !== cert) {
      const key = this.secrets.readIfThere(next.key);
      // A copy may have brought the certificate and not yet its key.
      if (signs !== before || key === undefined) return;
      this.secrets.write(issuing.key, key);
      writePrivate(issuing.cert, cert);
    }
    rmSync(next.cert, { force: true });
    rmSync(next.key, { force: true });
  }

  async #settle(): Promise<void> {
    this.reload();
    this.#writeTrusted();
    for (const listener of this.#listeners) await listener();
  }

  /** Before it is gone: where the file cannot be written the step was not taken, and can be taken again. */
  #writeTrustedWithout(role: AuthorityRole): void {
    this.#writeTrusted(pemOf(this.trusted.filter((held) => held.role !== role)));
  }

  #writeTrusted(pem = this.trustedPem): void {
    if (readIfThere(this.paths.trusted) !== pem) writePrivate(this.paths.trusted, pem);
  }

  #readIssuing(): KeyAndCertificate {
    const { cert, key } = this.paths.issuing;
    const files = {
      cert: { name: 'keys.caCertificate', path: cert },
      key: { name: 'keys.caKey', path: key },
    };
    return readAuthority(files, this.secrets);
  }

  /** A next one that signs already is none: a copy from another control plane has left its file. */
  #readOthers(): void {
    const next = readIfThere(this.paths.next.cert);
    this.#next = next === this.#issuing.certificatePem ? undefined : next;
    this.#previous = readIfThere(this.paths.previous);
  }

  #mustHave(own: KeyAndCertificate, { cert }: AuthorityFiles): void {
    const ours = fingerprint(this.#issuing.certificatePem);
    if (fingerprint(own.certificatePem) === ours) return;
    const rule = `is another CA than hosts have pinned (${ours}); remedy: leave it out, or replace the CA by hostward ca begin`;
    throw new ConfigError(cert.name, cert.path, rule);
  }
}

function pemOf(held: readonly Held[]): string {
  return held.map(({ certificatePem }) => `${certificatePem.trimEnd()}\n`).join('');
}

/** Throws ConfigError, naming the field, unless the next authority can be one and is none of those that are trusted. */
export function checkNext(next: KeyAndCertificate, trusted: readonly Held[]): void {
  const files = {
    cert: { name: 'certificate', path: 'in the request' },
    key: { name: 'privateKey', path: 'in the request' },
  };
  checkFiles(files, next);
  const known = trusted.map(({ certificatePem }) => fingerprint(certificatePem));
  if (!known.includes(fingerprint(next.certificatePem))) return;
  throw new ConfigError('certificate', 'in the request', 'is trusted already; give another one');
}

/** The authorities of a configuration. Throws ConfigError where the one that signs cannot be read. */
export function openAuthorities({ keys, tls }: ServerConfig, secrets: SecretFiles): Authorities {
  const { caCertificate: cert, caKey: key } = keys;
  return Authorities.open(authorityPaths({ trusted: tls.ca, cert, key }), secrets);
}
