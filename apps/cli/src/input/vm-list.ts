import { stringify } from 'yaml';
import { CommandFailed } from '../output/errors.js';
import type { InputFile } from './files.js';

const REMEDY = 'take the answer of KVMService as it is: curl http://ADDRESS:8000/vmlist';

/**
 * What KVMService answers to `/vmlist`, `[{"vmName": …, "labels": ["key=value"], …}]`, as KubeArmorVirtualMachine
 * documents; any other file as it is. Numbers that were identities there mean nothing here, and a label that was deleted
 * there is an empty text. Throws CommandFailed for a list that names no hosts or has something else in it.
 */
export function declaredHosts(file: InputFile): InputFile {
  const list = listOf(file.text);
  if (list === undefined) return file;
  if (list.length === 0)
    throw new CommandFailed(`${file.name} names no VM`, 'KVMService had none; nothing is to do');
  const documents = list.map((entry, index) =>
    stringify({
      apiVersion: 'security.kubearmor.com/v1',
      kind: 'KubeArmorVirtualMachine',
      metadata: metadataOf(entry, `${file.name}: entry ${index + 1}`),
    }),
  );
  return { name: `${file.name}, as documents`, text: documents.join('---\n') };
}

/** A JSON list, or what KVMService says where it has no VM. */
function listOf(text: string): unknown[] | undefined {
  if (!/^\s*(\[|null\s*$)/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : value === null ? [] : undefined;
  } catch {
    return undefined;
  }
}

function metadataOf(entry: unknown, where: string): { name: string; labels: object } {
  const { vmName, labels } = (entry ?? {}) as { vmName?: unknown; labels?: unknown };
  if (typeof vmName !== 'string' || vmName === '')
    throw new CommandFailed(`${where} has no vmName`, REMEDY);
  return { name: vmName, labels: labelsOf(labels ?? [], where) };
}

/** A key that has two values there has no meaning here, and one of them would be lost. */
function labelsOf(words: unknown, where: string): Record<string, string> {
  if (!Array.isArray(words)) throw new CommandFailed(`${where}: labels is not a list`, REMEDY);
  const found = new Map<string, string>();
  for (const word of words as unknown[]) {
    if (word === '') continue;
    const equals = typeof word === 'string' ? word.indexOf('=') : -1;
    if (typeof word !== 'string' || equals <= 0)
      throw new CommandFailed(
        `${where}: label ${JSON.stringify(word)} is not of the form key=value`,
        REMEDY,
      );
    const [key, value] = [word.slice(0, equals), word.slice(equals + 1)];
    const other = found.get(key);
    if (other !== undefined && other !== value)
      throw new CommandFailed(
        `${where}: label ${key} is both "${other}" and "${value}"`,
        'take one of them out of the file: a host has one value for a key',
      );
    found.set(key, value);
  }
  return Object.fromEntries(found);
}
