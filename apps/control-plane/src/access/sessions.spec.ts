import { beforeEach, describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signRoot, trustRoot } from '#bundle';
import { type WatchMessage } from '#etcd';
import { Log } from '#observability';
import { Clock } from '../http/clock.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { type CommitResult, Ledger, type LedgerChange } from '../store/ledger.js';
import { changes, snapshot, testKeks } from '../testing/records.js';
import { AdminToken } from './admin-token.js';
import type { ApiTokenRecord } from '../records/api-token.record.js';
import { FailedLogins } from './failed-logins.js';
import { TokenAuthenticator } from './token-authenticator.js';
import { Directory } from './directory.js';
import { OidcSettings } from './oidc.settings.js';
import { Sessions, type SessionOrder } from './sessions.js';
import { hashToken } from '../auth/token-hash.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const ISSUER = 'https://provider.example';

class SetClock extends Clock {
  now = Date.parse('2026-11-30T00:00:00.000Z');
  override nowMs(): number {
    return this.now;
  }
}

/** Commits at once, as etcd and its watch do in a moment. */
class InstantLedger extends Ledger {
  constructor(
    private readonly fleet: Fleet,
    private readonly directory: Directory,
  ) {
    super();
  }

  override commit({ then }: LedgerChange): Promise<CommitResult> {
    const revision = this.fleet.state.revision + 1n;
    const puts = then.flatMap((write) =>
      write.type === 'put' ? [{ key: write.key, value: String(write.value) }] : [],
    );
    const deletes = then.flatMap(({ type, key }) => (type === 'delete' ? [key] : []));
    this.#tell(changes(revision, puts, deletes));
    return Promise.resolve({ outcome: 'committed', revision });
  }

  #tell(message: WatchMessage): void {
    this.directory.take(message);
    this.fleet.take(message);
  }
}

function trust(): Trust {
  const { privateKey, keyid, key } = generateSigningKey();
  const signer = loadSigner(privateKey);
  const keys = [{ keyid, key }];
  const kept = {
    v: 1,
    version: 1,
    epoch: '1',
    expiresAt: 4_000_000_000_000,
    mode: 'managed',
  } as const;
  const document = { ...kept, root: { threshold: 1, keys }, authors: [], online: keys };
  const secrets = { epochSecret: Buffer.alloc(32), keks: testKeks };
  return new Trust(trustRoot(signRoot(document, [signer])), signer, secrets);
}

let clock: SetClock;
let directory: Directory;
let sessions: Sessions;
beforeEach(() => {
  clock = new SetClock();
  directory = new Directory(new Log({ write: () => undefined }));
  const fleet = new Fleet(testKeks);
  fleet.take(snapshot(1n));
  directory.take(snapshot(1n));
  const editor = new FleetEditor(fleet, new InstantLedger(fleet, directory), trust());
  const roles = [{ value: 'web', roles: ['viewer' as const] }];
  const config = { issuer: ISSUER, clientId: 'cli', scopes: [], rolesClaim: 'groups', roles };
  const admin = new AdminToken(hashToken('none'), 'admin-token.sha256');
  const authenticator = new TokenAuthenticator(
    admin,
    directory,
    new OidcSettings(config),
    new FailedLogins(clock),
    clock,
  );
  sessions = new Sessions(directory, editor, authenticator, clock);
});

/** Logs alice in a second after the last time. */
async function login(): Promise<void> {
  clock.now += 1_000;
  const order: SessionOrder = {
    ...{
      actor: 'oidc/alice',
      name: 'oidc/alice',
      source: '',
      ttlMs: 4 * HOUR_MS,
      stillSo: () => [],
    },
    restsOn: { oidc: { issuer: ISSUER, value: 'web' } },
  };
  await sessions.open(order);
}

const kept = (): readonly ApiTokenRecord[] => directory.tokens.sorted().map(({ record }) => record);
const open = (): readonly ApiTokenRecord[] =>
  kept().filter(({ expiresAt }) => Date.parse(expiresAt) > clock.now);

describe('sessions of ID tokens', () => {
  it('are twenty of one user: a further login ends the oldest, whose token stays known as used', async () => {
    await login();
    const [oldest] = kept();
    for (let i = 0; i < 20; i += 1) await login();
    expect([open().length, kept().length]).toEqual([20, 21]);
    expect(open().map(({ id }) => id)).not.toContain(oldest?.id);
    expect(kept().map(({ id }) => id)).toContain(oldest?.id);
  });

  it('are cleared away by a login once they have ended and their tokens are too old to be sent again', async () => {
    for (let i = 0; i < 25; i += 1) await login();
    expect([open().length, kept().length]).toEqual([20, 25]);
    clock.now += 30 * MINUTE_MS;
    await login();
    expect([open().length, kept().length]).toEqual([20, 20]);
    clock.now += 5 * HOUR_MS;
    await login();
    expect(kept()).toHaveLength(1);
  });
});
