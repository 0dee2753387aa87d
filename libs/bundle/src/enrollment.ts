import type { EnrollRequest } from '#contracts';
import { fromBase64, toBase64 } from './encoding.js';
import { RefusedError } from './errors.js';
import { checkSealingKey } from './host-key.js';
import { base64Of } from './shape.js';
import { type Signer, keyIdOf, verifySignature } from './signing-key.js';

type Signed = Pick<EnrollRequest, 'name' | 'sealingKey' | 'csr'>;

/** The host's proof that name, sealing key and TLS request come from the owner of its signing key; base64. */
export function signEnrollment(signed: Signed, signer: Signer): string {
  return toBase64(signer.sign(message(signed)));
}

/** Checks that proof and the keys' form; the node id (hex SHA-256 of the signing key) if they hold. */
export function verifyEnrollment(
  request: Signed & Pick<EnrollRequest, 'signingKey' | 'signature'>,
): string {
  const nodeId = keyIdOf(request.signingKey);
  checkSealingKey(request.sealingKey);
  const signature = fromBase64(base64Of(64)(request.signature, 'signature'), 'signature', 64);
  if (!verifySignature(request.signingKey, message(request), signature)) {
    throw new RefusedError(
      'bad-signature',
      'signature: is not the signing key’s over name, sealing key and csr',
    );
  }
  return nodeId;
}

/** Line by line; a line feed in the name would move the borders. */
function message({ name, sealingKey, csr }: Signed): Buffer {
  if (name.includes('\n') || sealingKey.includes('\n')) {
    throw new RefusedError('malformed', 'name: must not hold a line feed');
  }
  return Buffer.from(`hostward-enroll-v1\n${name}\n${sealingKey}\n${csr}`, 'utf8');
}
