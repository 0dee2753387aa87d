import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { attestationMessage } from '#bundle';
import type { EnrollRequest } from '#contracts';
import { errorMessage } from '../config/error-facts.js';

const NAMESPACE = 'hostward-enroll';
const TIMEOUT_MS = 10_000;

/** This machine could not prove by its ssh host key which one it is; nothing was sent. */
class NotAttested extends Error {
  override readonly name = 'NotAttested';
  constructor(keyFile: string, why: string, cause?: unknown) {
    super(
      `${keyFile} did not sign the enrolment (${why}): enrol as root on the host, with openssh-client installed`,
      { cause },
    );
  }
}

/**
 * The request with the ssh host key's signature over the keys in it. By ssh-keygen, so that the key is never read here;
 * it may be any private key that ssh-keygen reads, and needs no passphrase.
 */
export async function attestedBySshHostKey(
  request: EnrollRequest,
  keyFile: string,
): Promise<EnrollRequest> {
  const proof = await sshSignature(attestationMessage(request), keyFile);
  return { ...request, attestation: { kind: 'ssh-host-key', proof } };
}

async function sshSignature(message: Uint8Array, keyFile: string): Promise<string> {
  const child = spawn('ssh-keygen', ['-Y', 'sign', '-q', '-f', keyFile, '-n', NAMESPACE], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    // As root, so from where root's programs are; and nobody is there to be asked for a passphrase.
    env: { PATH: '/usr/bin:/bin', SSH_ASKPASS_REQUIRE: 'never' },
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  // One that ends before it has read all says why on its other streams.
  child.stdin.on('error', () => undefined);
  child.stdin.end(message);
  try {
    const [code, signature, complaint] = await Promise.all([
      ended,
      text(child.stdout),
      text(child.stderr),
    ]);
    if (code === 0 && signature.includes('SSH SIGNATURE')) return signature;
    throw new NotAttested(keyFile, complaint.trim().slice(0, 300) || 'ssh-keygen gave nothing');
  } catch (cause) {
    throw cause instanceof NotAttested
      ? cause
      : new NotAttested(keyFile, errorMessage(cause), cause);
  }
}
