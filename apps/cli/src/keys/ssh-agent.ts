import { createConnection, type Socket } from 'node:net';
import { env } from 'node:process';
import { keyIdOf, type PublicKey } from '#bundle';
import { CommandFailed } from '../output/errors.js';

const [FAILURE, LIST, LISTED, SIGN, SIGNED] = [5, 11, 12, 13, 14];
const TYPE = 'ssh-ed25519';
const TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** An Ed25519 key that an ssh-agent holds. */
export interface AgentKey extends PublicKey {
  readonly comment: string;
}

/**
 * The Ed25519 keys of the running ssh-agent. An agent signs bytes as they are (RFC 8032) for such keys, so that its
 * signature is the one a document needs; other kinds of keys (RSA, FIDO's sk-) sign something else and are left out.
 */
export async function agentKeys(): Promise<readonly AgentKey[]> {
  const reader = new Reader(await ask(Buffer.of(LIST), LISTED));
  const keys: AgentKey[] = [];
  for (let left = reader.number(); left > 0; left -= 1) {
    const blob = new Reader(reader.bytes());
    const comment = reader.bytes().toString('utf8');
    if (blob.bytes().toString('latin1') !== TYPE) continue;
    const key = blob.bytes().toString('base64');
    keys.push({ key, keyid: keyIdOf(key), comment });
  }
  return keys;
}

/** The agent's signature over these bytes, 64 bytes; it may ask its user first. */
export async function agentSign({ key, comment }: AgentKey, message: Uint8Array): Promise<Buffer> {
  const blob = Buffer.concat([text(TYPE), field(Buffer.from(key, 'base64'))]);
  const request = Buffer.concat([Buffer.of(SIGN), field(blob), field(message), Buffer.alloc(4)]);
  const signature = new Reader(new Reader(await ask(request, SIGNED)).bytes());
  if (signature.bytes().toString('latin1') !== TYPE)
    throw new CommandFailed(`the ssh-agent signed with another kind of key than ${comment}`);
  return signature.bytes();
}

async function ask(request: Buffer, wanted: number | undefined): Promise<Buffer> {
  const answer = await exchange(field(request));
  if (answer[0] === wanted) return answer.subarray(1);
  throw new CommandFailed(
    answer[0] === FAILURE ? 'the ssh-agent refused' : 'the ssh-agent answered something else',
    'see `ssh-add -l`; a key that was added with -c must be confirmed, one with -h cannot sign documents',
  );
}

function exchange(request: Buffer): Promise<Buffer> {
  const path = env['SSH_AUTH_SOCK'];
  if (path === undefined || path === '')
    throw new CommandFailed(
      'no ssh-agent is running: SSH_AUTH_SOCK is not set',
      'eval $(ssh-agent); ssh-add',
    );
  return new Promise((resolve, reject) => {
    const socket: Socket = createConnection({ path });
    const fail = (cause: Error): void => {
      socket.destroy();
      reject(
        new CommandFailed(`the ssh-agent does not answer: ${cause.message}`, undefined, { cause }),
      );
    };
    let received = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => fail(new Error('no answer in time')));
    socket.on('error', fail);
    socket.on('end', () => fail(new Error('it closed the connection')));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > MAX_ANSWER_BYTES) return fail(new Error('the answer is too large'));
      if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return;
      socket.destroy();
      resolve(received.subarray(4, 4 + received.readUInt32BE(0)));
    });
    socket.write(request);
  });
}

function field(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function text(value: string): Buffer {
  return field(Buffer.from(value, 'latin1'));
}

/** Reads SSH's encoding; throws where it runs past its end. */
class Reader {
  #at = 0;

  constructor(private readonly buffer: Buffer) {}

  number(): number {
    const value = this.buffer.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  bytes(): Buffer {
    const length = this.number();
    if (length > this.buffer.length - this.#at)
      throw new CommandFailed('the ssh-agent answered nonsense');
    this.#at += length;
    return this.buffer.subarray(this.#at - length, this.#at);
  }
}
