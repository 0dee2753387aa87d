import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Alert } from '#contracts';
import { Spool, type NewEntry, type SpoolOptions } from '../events/spool.js';

/** Spools of one folder, one after the other as agents would, or beside each other after a kill. */
export class SpoolFolder {
  readonly root = mkdtempSync(join(tmpdir(), 'hostward-spool-'));
  /** Where the next one is opened. */
  dir = join(this.root, 'spool');
  #opened: Spool[] = [];

  async open(options: Partial<SpoolOptions> = {}): Promise<Spool> {
    const given = { dir: this.dir, maxBytes: 1024 * 1024, now: () => 1000, ...options };
    const spool = await Spool.open(given);
    this.#opened.push(spool);
    return spool;
  }

  segments(): string[] {
    return readdirSync(this.dir).filter((file) => file.endsWith('.seg'));
  }

  async close(): Promise<void> {
    for (const spool of this.#opened.splice(0)) await spool.close();
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A denial of `cat`. */
export function entry(sensor: number, message = `event ${sensor}`): NewEntry {
  return {
    sensor,
    alert: {
      Timestamp: 1,
      UpdatedTime: '2026-01-01T00:00:00.000Z',
      ClusterName: 'default',
      HostName: 'web1',
      HostPID: 1,
      PID: 1,
      UID: 0,
      ProcessName: '/usr/bin/cat',
      PolicyName: 'p',
      Message: message,
      Type: 'MatchedHostPolicy',
      Source: 'cat',
      Operation: 'File',
      Resource: '/etc/shadow',
      Data: '',
      Enforcer: 'AppArmor',
      Action: 'Block',
      Result: 'Permission denied',
      NodeID: 'n',
      Node: 'web1',
      Suppressed: 0,
    },
  };
}

export const range = (from: number, to: number): NewEntry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i));

/** Whatever waits, in as many reads as that takes. */
export async function allAlerts(spool: Spool, after = ''): Promise<readonly Alert[]> {
  const all: Alert[] = [];
  for (let last = after; ; last = all.at(-1)?.EventID ?? '') {
    const some = await spool.read(last, 1000);
    if (some.length === 0) return all;
    all.push(...some);
  }
}
