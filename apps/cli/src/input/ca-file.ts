import { readFile } from 'node:fs/promises';
import { certificatesIn, parseCertificate } from '#pki';
import { CommandFailed } from '../output/errors.js';

const REMEDY = 'name the PEM file of the CA, e.g. control-plane/pki/ca.pem of the data folder';

/** The PEM text of the file that `--ca` names: at least one certificate, and none that cannot be read. Throws CommandFailed. */
export async function readCa(file: string): Promise<string> {
  const pem = await readFile(file, 'utf8').catch((cause: Error) => {
    throw refused(`cannot read ${file}: ${cause.message}`, cause);
  });
  const found = certificatesIn(pem);
  if (found.length === 0) throw refused(`${file} holds no certificate in PEM`);
  try {
    found.forEach((each) => parseCertificate(each));
  } catch (cause) {
    throw refused(`${file} holds a certificate that cannot be read`, cause);
  }
  return pem;
}

function refused(why: string, cause?: unknown): CommandFailed {
  return new CommandFailed(`--ca: ${why}`, REMEDY, { cause });
}
