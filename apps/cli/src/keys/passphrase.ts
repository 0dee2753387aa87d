import { UsageError } from '../output/errors.js';
import { readSecret } from '../input/secret.js';

/** The passphrase of a new key: typed twice, or once from a descriptor or standard input. */
export async function newPassphrase(name: string, fd?: number): Promise<string> {
  const first = await readSecret(`passphrase of the new key ${name}: `, fd);
  if (fd !== undefined || !process.stdin.isTTY) return first;
  if ((await readSecret('the same again: ')) === first) return first;
  throw new UsageError('the two differ');
}

/** Passphrases of one command; a descriptor can be read once only, so all keys of it have the same. */
export class Passphrases {
  #fromDescriptor: Promise<string> | undefined;

  constructor(private readonly fd: number | undefined) {}

  of(name: string): Promise<string> {
    if (this.fd === undefined && process.stdin.isTTY)
      return readSecret(`passphrase of key ${name}: `);
    this.#fromDescriptor ??= readSecret('', this.fd);
    return this.#fromDescriptor;
  }
}
