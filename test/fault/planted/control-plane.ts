import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { argv } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { EtcdStore, type WatchMessage } from '#etcd';
import { TargetIndex } from '#policy-model';
import { loadMaterial } from '../../../apps/control-plane/src/config/material.js';
import { readConfig } from '../../../apps/control-plane/src/config/read-config.js';
import { AssignmentSealer } from '../../../apps/control-plane/src/delivery/assignment-sealer.js';
import { RedisDeliveryChannel } from '../../../apps/control-plane/src/delivery/redis-delivery-channel.js';
import { PostgresAlertStore } from '../../../apps/control-plane/src/alerts/postgres-alert.store.js';
import {
  FleetState,
  type ActivePolicy,
} from '../../../apps/control-plane/src/store/fleet-state.js';
import { writeConflict } from '../../../apps/control-plane/src/http/index.js';
import { PrefixWatch } from '../../../libs/etcd/src/prefix-watch.js';
import { writeIfGreater } from '../../../libs/redis/src/write-if-greater.js';
import { EtcdLedger } from '../../../apps/control-plane/src/store/etcd-ledger.js';
import type { LedgerChange } from '../../../apps/control-plane/src/store/ledger.js';
import { StatusReader } from '../../../apps/control-plane/src/reports/status-reader.js';
import type { ControlPlaneMistake } from './mistakes.js';
import { replace } from './replace.js';

type Change = Extract<WatchMessage, { readonly type: 'changes' }>['changes'][number];

function hearsNothingOf(isLost: (change: Change) => boolean): void {
  replace(
    FleetState.prototype,
    'apply',
    (shipped) =>
      function (this: FleetState, message) {
        if (message.type === 'snapshot') return shipped.call(this, message);
        const changes = message.changes.filter((each) => !isLost(each));
        return shipped.call(this, { ...message, changes });
      },
  );
}

/**
 * For the fault suite only: the control plane with one mistake, made from outside, so that nothing of the product leads
 * here. Usage: control-plane MISTAKE serve --config=FILE.
 */
const PLANT: Readonly<Record<ControlPlaneMistake, (configFile: string) => void>> = {
  'forgets deletions': () => hearsNothingOf(isDeletion),
  'goes on with a break-glass that was ended': () =>
    hearsNothingOf(({ type, key }) => type === 'delete' && key.includes('/suspend/')),
  'follows no label that moves': () => {
    const known = new Set<string>();
    replace(
      TargetIndex.prototype,
      'setNode',
      (shipped) =>
        function (this: TargetIndex, node) {
          if (known.has(node.name)) return new Set();
          known.add(node.name);
          return shipped.call(this, node);
        },
    );
  },
  'records no change in the audit log': (configFile) => {
    const config = readConfig(configFile);
    const { etcd: credentials } = loadMaterial(config);
    const etcd = EtcdStore.connect({ hosts: config.etcd.hosts, credentials, callTimeoutMs: 5_000 });
    EtcdLedger.prototype.commit = async ({ if: when, then }) => {
      const { succeeded, revision } = await etcd.transact({ if: when, then });
      return { outcome: succeeded ? 'committed' : 'conflict', revision };
    };
  },
  'answers before it has committed': () => {
    replaceCommitOfPolicies(() => Promise.resolve({ outcome: 'committed', revision: 1n }));
  },
  'says what is wanted, not what is': () => {
    replace(
      StatusReader.prototype,
      'policy',
      (shipped) =>
        function (this: StatusReader, name) {
          const status = shipped.call(this, name);
          const nodes = status.nodes.map((node) => ({ ...node, state: 'enforced' as const }));
          return { ...status, nodes };
        },
    );
  },
  'commits in another order than it answers': () => {
    replaceCommitOfPolicies((commit) => {
      setTimeout(() => void commit().catch(() => undefined), Math.random() * 4_000);
      return Promise.resolve({ outcome: 'committed', revision: 1n });
    });
  },
  'refuses what it has committed': () => {
    replaceCommitOfPolicies(async (commit) => {
      const result = await commit();
      if (Math.random() < 0.3) throw writeConflict('policy');
      return result;
    });
  },
  'takes the generation from the newest of its policies': () => {
    replace(
      AssignmentSealer.prototype,
      'seal',
      (shipped) =>
        function (this: AssignmentSealer, due, claims) {
          const { state } = this['parts'] as unknown as { readonly state: FleetState };
          const newest = state.policies.sorted().map(({ revision }) => revision);
          const revision = newest.reduce((a, b) => (a > b ? a : b), 1n);
          Object.defineProperty(state, 'revision', { configurable: true, value: revision });
          try {
            return shipped.call(this, due, claims);
          } finally {
            Reflect.deleteProperty(state, 'revision');
          }
        },
    );
  },
  'delivers every policy to every host': () => {
    replace(
      FleetState.prototype,
      'activePolicies',
      () =>
        function (this: FleetState) {
          return this.policies
            .sorted()
            .flatMap((stored) =>
              stored.record.document && stored.record.envelope && !stored.record.paused
                ? [stored as ActivePolicy]
                : [],
            );
        },
    );
  },
  'delivers what is paused': () => {
    replace(
      FleetState.prototype,
      'activePolicies',
      () =>
        function (this: FleetState, node) {
          return [...this.index.policiesOf(node)].sort().flatMap((name) => {
            const stored = this.policies.get(name);
            return stored?.record.document && stored.record.envelope
              ? [stored as ActivePolicy]
              : [];
          });
        },
    );
  },
  'serves hosts that were revoked': () => {
    const isTaken = ({ key }: { readonly key: string }): boolean => !key.includes('/revoke/');
    replace(
      FleetState.prototype,
      'apply',
      (shipped) =>
        function (this: FleetState, message) {
          if (message.type === 'snapshot')
            return shipped.call(this, { ...message, items: message.items.filter(isTaken) });
          return shipped.call(this, { ...message, changes: message.changes.filter(isTaken) });
        },
    );
  },
  'forgets the first alert of a batch': () => {
    replace(
      PostgresAlertStore.prototype,
      'add',
      (shipped) =>
        function (this: PostgresAlertStore, nodeId, batch) {
          return shipped.call(this, nodeId, { ...batch, alerts: batch.alerts.slice(1) });
        },
    );
  },
  'tells no host that something was written for it': () => {
    replaceInScript(/^redis\.call\('PUBLISH'.*$/m, '');
  },
  'writes over what is newer': () => {
    replaceInScript('if c <= 0 then return 0 end', '');
    // Between sealing and writing, where no fault from outside stops it for long enough: longer than others wait for it.
    replace(
      RedisDeliveryChannel.prototype,
      'write',
      (shipped) =>
        async function (this: RedisDeliveryChannel, parcels) {
          if (Math.random() < 0.3) await delay(6_000);
          return shipped.call(this, parcels);
        },
    );
  },
  'goes on watching at the revision of a header': () => {
    replace(
      PrefixWatch.prototype as unknown as Attaching,
      'attached',
      (shipped) =>
        async function (this: Attaching, answer) {
          await shipped.call(this, answer);
          this.delivered = BigInt(answer.header.revision);
        },
    );
  },
};

/** What a watch does when its stream stands: private, so the mistake has to say it once more. */
interface Attaching {
  delivered: bigint | undefined;
  attached(answer: { readonly header: { readonly revision: string } }): Promise<void>;
}

/** In the script by which assignments are written; Redis knows it by its digest. */
function replaceInScript(words: string | RegExp, by: string): void {
  const lua = writeIfGreater.lua.replace(words, by);
  if (lua === writeIfGreater.lua) throw new Error(`the script has no ${String(words)} any more`);
  Object.assign(writeIfGreater, { lua, sha: createHash('sha1').update(lua).digest('hex') });
}

type Commit = () => ReturnType<EtcdLedger['commit']>;

/** Changes of policies are committed by the mistake, which is given the way as it is shipped; others as ever. */
function replaceCommitOfPolicies(mistake: (commit: Commit) => ReturnType<Commit>): void {
  replace(
    EtcdLedger.prototype,
    'commit',
    (shipped) =>
      function (this: EtcdLedger, change) {
        const commit = (): ReturnType<Commit> => shipped.call(this, change);
        return isOfPolicy(change) ? mistake(commit) : commit();
      },
  );
}

function isOfPolicy({ auditLog: { action } }: LedgerChange): boolean {
  return action === 'apply' || action.startsWith('policy.');
}

function isDeletion({
  key,
  value,
}: {
  readonly key: string;
  readonly value?: Uint8Array;
}): boolean {
  if (!key.includes('/policy/') || value === undefined) return false;
  return Buffer.from(value).includes('"change":"deleted"');
}

const [mistake] = argv.splice(2, 1);
const configFile = argv.find((word) => word.startsWith('--config='))?.slice('--config='.length);
PLANT[mistake as ControlPlaneMistake](configFile ?? '');
await import('../../../apps/control-plane/src/main.js');
