import { readFileSync } from 'node:fs';
import { isIssuedBy, parseCertificate } from '#pki';

/** Without times for a file that cannot be read. */
export interface CertificateValidity {
  readonly file: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** The certificates by which our own servers and clients are known to others, in the files where they are renewed. */
export class OwnCertificates {
  constructor(private readonly files: readonly string[]) {}

  /** When each counts. */
  validities(): readonly CertificateValidity[] {
    return this.files.map((file) => {
      try {
        const { notBefore, notAfter } = parseCertificate(readFileSync(file, 'utf8'));
        return { file, notBefore, notAfter };
      } catch {
        return { file };
      }
    });
  }

  /** Whether all of them are of this authority; one that cannot be read is not. */
  areOf(authorityPem: string): boolean {
    return this.files.every((file) => {
      try {
        return isIssuedBy(readFileSync(file), authorityPem);
      } catch {
        return false;
      }
    });
  }
}
