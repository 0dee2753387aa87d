import 'reflect-metadata';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { EtcdStore } from '#etcd';
import { Log } from '#observability';
import { AccessGuard } from '../auth/access.guard.js';
import { adminCaller, setCaller } from '../auth/caller.js';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';
import { EtcdLedger } from '../store/etcd-ledger.js';
import type { CommitResult, LedgerChange } from '../store/ledger.js';
import { serve } from './serve.js';

/**
 * For `bench trust` only: a replica of a control plane that the bench made, in which everybody is admin and nothing is
 * recorded in the audit log, so that the same routes can be timed without guard and audit log. Nothing of the product leads here.
 * Usage: unguarded-main CONFIG DATA-DIR. Prints where it listens; ends with its standard input.
 */
async function main([configFile = '', dataDir = '']: readonly string[]): Promise<void> {
  const config = readConfig(configFile);
  const { etcd: credentials } = loadMaterial(config);
  const etcd = EtcdStore.connect({ hosts: config.etcd.hosts, credentials, callTimeoutMs: 5_000 });
  replaceGuardAndAuditLog(etcd);
  const log = new Log({ level: config.logLevel, fields: { program: 'unguarded' } });
  const listen = { ...config.listen, port: 0 };
  const serving = await serve({ ...config, dataDir, listen }, loadMaterial(config), log);
  process.stdout.write(`${JSON.stringify({ listening: serving.url })}\n`);
  // Ends when its owner closes the other end, or is no more.
  process.stdin.once('end', () => process.exit(0)).resume();
}

/** Entries of the other replica, which it records for itself, are not followed either. */
function replaceGuardAndAuditLog(etcd: EtcdStore): void {
  EtcdLedger.prototype.follow = () => Promise.resolve();
  AccessGuard.prototype.canActivate = (context: ExecutionContext): boolean => {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    setCaller(request.raw, everybody);
    return true;
  };
  AccessGuard.prototype.askBeforeBodies = () => undefined;
  EtcdLedger.prototype.commit = async ({ if: when, then }: LedgerChange): Promise<CommitResult> => {
    const { succeeded, revision } = await etcd.transact({ if: when, then });
    return { outcome: succeeded ? 'committed' : 'conflict', revision };
  };
}

const everybody = adminCaller('bench');

await main(process.argv.slice(2));
