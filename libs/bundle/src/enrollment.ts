import type { EnrollRequest } from '#contracts';
import { fromBase64, toBase64 } from './encoding.js';
import { RefusedError } from './errors.js';
import { checkSealingKey } from './channel-key.js';
import { base64Of } from './shape.js';
import { type Signer, keyIdOf, verifySignature } from './signing-key.js';

type Signed = Pick<EnrollRequest, 'name' | 'sealingKey' | 'redisSecretHash' | 'csr'>;

/** The host's proof that name, sealing key, Redis secret and TLS request come from the owner of its signing key; base64. */
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
      'signature: is not the signing key’s over name, sealing key, redis secret hash and csr',
    );
  }
  return nodeId;
}

/** What a machine signs with a key that it had before, so that it enrols with these keys and no other does. */
export function attestationMessage(request: Signed & Pick<EnrollRequest, 'signingKey'>): Buffer {
  const { signingKey } = request;
  return Buffer.concat([Buffer.from(`hostward-attest-v1\n${signingKey}\n`), message(request)]);
}

/** Line by line; a line feed before the last one would move the borders. */
function message({ name, sealingKey, redisSecretHash, csr }: Signed): Buffer {
  const lines = ['hostward-enroll-v2', name, sealingKey, redisSecretHash];
  if (lines.some((line) => line.includes('\n'))) {
    throw new RefusedError('malformed', 'name: must not hold a line feed');
  }
  return Buffer.from([...lines, csr].join('\n'), 'utf8');
}
