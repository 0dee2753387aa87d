import { readFileSync } from 'node:fs';
import { isIssuedBy, parseCertificate } from '#pki';

/** The certificates by which our own servers and clients are known to others, in the files where they are renewed. */
export class OwnCertificates {
  constructor(private readonly files: readonly string[]) {}

  /** Until when each counts; `notAfter` is absent for one that cannot be read. */
  endings(): readonly { readonly file: string; readonly notAfter?: Date }[] {
    return this.files.map((file) => {
      try {
        return { file, notAfter: parseCertificate(readFileSync(file, 'utf8')).notAfter };
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
