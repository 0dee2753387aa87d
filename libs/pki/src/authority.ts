import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } from './x509.js';
import { type KeyAndCertificate, issueSelfSigned } from './issue.js';
import { generateTlsKey, privateKeyToPem } from './tls-key.js';
import { authorityValidity } from './validity.js';

/** Makes a certificate authority: signs leaves only (path length 0), key on P-256. Whoever holds the key is the CA. */
export async function createAuthority(options: {
  readonly name: string;
  readonly days: number;
  readonly now?: Date;
}): Promise<KeyAndCertificate> {
  const { publicKey, privateKey } = await generateTlsKey();
  const content = {
    commonName: options.name,
    publicKey,
    validity: authorityValidity(options.now ?? new Date(), options.days),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  };
  const certificatePem = await issueSelfSigned(content, privateKey);
  return { certificatePem, privateKeyPem: await privateKeyToPem(privateKey) };
}
