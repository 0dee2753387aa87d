import { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import { compareAssignmentVersion } from '#bundle';
import { NestLogger, describeError, type Log } from '#observability';
import { AppModule, type AppParts } from './app.module.js';
import { AccessGuard } from '../auth/access.guard.js';
import { AccessWatch } from '../access/access-watch.js';
import { checkRoutes } from '../auth/check-routes.js';
import { Deliveries } from '../delivery/deliveries.js';
import { EventIntake } from '../alerts/event-intake.js';
import { Fleet } from '../store/fleet.js';
import type { FleetState } from '../store/fleet-state.js';
import { FleetWatch } from '../store/fleet-watch.js';
import { EtcdWrites } from '../health/etcd-writes.js';
import { VitalSigns } from '../health/vital-signs.js';
import { isCurrent, type Vitals } from '../health/readiness.js';
import { EtcdLedger } from '../store/etcd-ledger.js';
import { HeldHeads, auditLogAlarmWords } from '../store/held-heads.js';
import { HeadHerald } from '../delivery/head-herald.js';
import { CutOffService } from '../nodes/cut-off.service.js';
import { identitiesOf, redisUserOf, redisUsersOf } from '../trust/redis-identity.js';
import { redisHealth, shardOf } from '../store/redis-shard.js';
import { TimedAccess } from '../nodes/timed-access.js';
import { CloneService } from '../reports/clone.service.js';
import { HostQueue } from '../reports/host-queue.js';
import { DelayQueue } from '../replicas/delay-queue.js';
import { ONE_STORE_REMEDY } from '../replicas/one-store.js';
import { KnownHosts } from '../reports/known-hosts.js';
import { ReportCache } from '../reports/report-cache.js';
import { ReportIntake } from '../reports/report-intake.js';
import { Endings } from '../suspensions/endings.js';
import { NewsOfOthers } from '../alerts/news-of-others.js';
import { AuthoredIndex } from '../trust/authored-index.js';
import { alarmWords } from '../trust/restore-guard.js';
import { TrustKeeper } from '../trust/trust-keeper.js';
import { answerCurrent } from './current-answers.js';
import { httpAdapter, secureContext, type HttpOptions } from './http-adapter.js';
import { serveOpenApi } from './openapi.js';
import { ticketKeys, ticketTurnAt } from './ticket-keys.js';

/** Connections that wait to be taken. Of a queue that is half full the kernel cuts off who has waited for 7 s. */
const BACKLOG = 4_096;
const TICK_MS = 1_000;
const SWEEP_EVERY_MS = 3_600_000;
/** How long a key that vanished from Redis alone may be missing there; how late an assignment may be renewed. */
const LOOK_AFTER_EVERY_MS = 30_000;

/** What a control plane is started with, besides its parts. */
export interface ServerOptions extends HttpOptions {
  readonly host: string;
  readonly port: number;
}

type Parts = Omit<AppParts, 'vitals'>;

/** The running control plane: one watch, one delivery loop, one inbox, one server; started and ended in order. */
export class ControlPlane {
  readonly #queue: HostQueue;
  readonly #later = new DelayQueue();
  readonly #timedAccess = new TimedAccess();
  readonly #log: Log;
  readonly #etcdWrites: EtcdWrites;
  #tick: NodeJS.Timeout | undefined;
  #sweep: NodeJS.Timeout | undefined;
  #lookAfter: NodeJS.Timeout | undefined;
  #tls: HttpOptions['tls'];
  #ticketTurn = 0;

  private constructor(
    private readonly parts: Parts,
    private readonly app: NestFastifyApplication,
    private readonly watch: FleetWatch,
    tls: HttpOptions['tls'],
  ) {
    this.#log = parts.log;
    this.#tls = tls;
    this.#setTicketKeys();
    this.#etcdWrites = new EtcdWrites(parts.etcd);
    const events = app.get(EventIntake, { strict: false });
    this.#queue = new HostQueue(
      (nodeId) => events.take(nodeId),
      (nodeId, error) => this.#log.warn('events of a host wait', { nodeId, error }),
    );
  }

  /** Starts everything and listens; etcd and Redis may be away, readiness then says so. */
  static async start(parts: Parts, options: ServerOptions): Promise<ControlPlane> {
    const vitals = new LateVitals();
    const app = await NestFactory.create<NestFastifyApplication>(
      AppModule.of({ ...parts, vitals }),
      httpAdapter(options, parts.metrics),
      { logger: new NestLogger(parts.log), bodyParser: false, abortOnError: false },
    );
    checkRoutes(app);
    serveOpenApi(app);
    answerCurrent(app);
    app.get(AccessGuard).askBeforeBodies(app);
    app.get(AccessWatch).watchRefusals(app);
    const fleet = app.get(Fleet);
    const watch = new FleetWatch(parts.etcd, fleet, parts.log);
    const controlPlane = new ControlPlane(parts, app, watch, options.tls);
    vitals.read = () => controlPlane.#vitals();
    controlPlane.#connect();
    await app.listen({ port: options.port, host: options.host, backlog: BACKLOG });
    return controlPlane;
  }

  /** Where it listens. */
  get url(): string {
    const address = this.app.getHttpServer().address() as AddressInfo;
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `https://${host}:${address.port}`;
  }

  /** New TLS connections are answered with this certificate, and their clients judged by this CA, from now on. */
  useCertificate(tls: HttpOptions['tls']): void {
    const server = this.app.getHttpServer();
    if (!(server instanceof Server)) return;
    server.setSecureContext(secureContext(tls));
    this.#tls = tls;
    this.#setTicketKeys();
  }

  /** The same as in other replicas, and as before a restart: hosts go on with their sessions. */
  #setTicketKeys(): void {
    const server = this.app.getHttpServer();
    if (!(server instanceof Server)) return;
    const { issuing } = this.parts.authorities;
    this.#ticketTurn = ticketTurnAt(this.parts.clock.nowMs());
    server.setTicketKeys(ticketKeys({ issuing, trusted: this.#tls.ca }, this.#ticketTurn));
  }

  /** Stop intake, drain, flush, close. */
  async stop(): Promise<void> {
    const deliveries = this.app.get(Deliveries, { strict: false });
    clearInterval(this.#tick);
    clearInterval(this.#sweep);
    clearInterval(this.#lookAfter);
    this.parts.inbox.stop();
    await this.app.close();
    await this.app.get(AccessWatch, { strict: false }).stop();
    await this.#queue.stop();
    await deliveries.stop();
    await this.parts.restoreGuard.flush();
    await this.parts.replicas.stop();
    await this.watch.stop();
    await this.parts.hostUsers.close();
    deliveries.close();
    this.parts.etcd.close();
  }

  #connect(): void {
    const fleet = this.app.get(Fleet, { strict: false });
    const deliveries = this.app.get(Deliveries, { strict: false });
    const reports = this.app.get(ReportCache, { strict: false });
    const clones = this.app.get(CloneService, { strict: false });
    const heads = this.app.get(HeldHeads, { strict: false });
    let known = false;
    this.app.get(AccessWatch, { strict: false }).start(fleet);
    const cutOffs = this.app.get(CutOffService, { strict: false });
    this.parts.hostUsers.start(
      {
        known: () => fleet.state.revision > 0n,
        // Cut off from etcd, we do not know whom others have revoked or let in since.
        current: () => isCurrent(this.watch.health(), performance.now()),
        // Of a host whose record cannot be read here another replica may know.
        complete: () => fleet.state.unreadable.size === 0,
        all: () => redisUsersOf(fleet.state, this.parts.clock.nowMs()),
        one: (nodeId) => redisUserOf(fleet.state, nodeId, this.parts.clock.nowMs()),
        shardOf: (nodeId) => shardOf(fleet.state, nodeId),
      },
      (offence) => void cutOffs.cutOff(offence),
    );
    const keeper = this.app.get(TrustKeeper, { strict: false });
    const authored = this.app.get(AuthoredIndex, { strict: false });
    const { replicas } = this.parts;
    let rootMoved = false;
    let readAnew = false;
    fleet.onMessage((message) => {
      rootMoved = keeper.take(message);
      readAnew = message.type === 'snapshot';
      replicas.take(message);
    });
    fleet.onChange((affected) => {
      this.#divide(fleet.state);
      if (readAnew) this.#lookForRestore(fleet.state.revision);
      // Before the fleet's own changes: all that follows is sealed under the root document in force.
      if (rootMoved) deliveries.everything();
      if (authored.takeChanged()) affected.add(fleet.state.nodes.sorted().map(({ name }) => name));
      this.parts.hostUsers.mark(identitiesOf(affected, fleet.state));
      this.#timedAccess.take(affected, fleet.state, this.parts.clock.nowMs());
      if (!known) this.parts.inbox.readAll();
      known = true;
      for (const nodeId of affected.gone) {
        reports.remove(nodeId);
        this.parts.inbox.forget(nodeId);
        clones.forget(nodeId);
        heads.forget(nodeId);
        // Not where somebody only took the host out of etcd: authors have not taken back what they signed for it.
        if (fleet.state.revocationOf(nodeId)) authored.forget(nodeId);
      }
      deliveries.mark(affected);
    });
    deliveries.start();
    this.watch.start();
    replicas.start();
    this.#listenToHosts();
    this.#tick = setInterval(() => this.#everySecond(), TICK_MS);
    this.#sweep = setInterval(() => void this.#sweepEtcd(), SWEEP_EVERY_MS);
    this.#lookAfter = setInterval(() => {
      deliveries.renew();
      deliveries.lookAfter();
    }, LOOK_AFTER_EVERY_MS);
    void this.#sweepEtcd();
  }

  #listenToHosts(): void {
    const { state } = this.app.get(Fleet, { strict: false });
    const hosts = this.app.get(KnownHosts, { strict: false });
    const intake = this.app.get(ReportIntake, { strict: false });
    const clones = this.app.get(CloneService, { strict: false });
    const reports = this.app.get(ReportCache, { strict: false });
    const deliveries = this.app.get(Deliveries, { strict: false });
    this.parts.inbox.start({
      isKnown: (nodeId) => hosts.find(nodeId) !== undefined,
      known: () => hosts.ids(),
      closely: () => clones.closely(),
      shardOf: (nodeId) => shardOf(state, nodeId),
      isAwaited: (nodeId) => {
        const written = deliveries.written(nodeId)?.assignmentVersion;
        const applied = reports.get(nodeId)?.report.applied;
        return !written || !applied || compareAssignmentVersion(applied, written) !== 0;
      },
      isWriting: (shard) => deliveries.isWriting(shard),
      state: (nodeId, sealed) => {
        const isTaken = intake.take(nodeId, sealed);
        const { seen, applied } = reports.get(nodeId)?.report ?? {};
        const highest = seen ?? applied;
        if (isTaken && highest) deliveries.told(nodeId, highest);
        return isTaken;
      },
      events: (nodeId) => {
        if (this.parts.replicas.owns(nodeId)) this.#queue.add(nodeId);
        else this.#later.add(nodeId);
      },
    });
  }

  #everySecond(): void {
    const { state } = this.app.get(Fleet, { strict: false });
    this.parts.hostUsers.mark(this.#timedAccess.due(this.parts.clock.nowMs()));
    if (ticketTurnAt(this.parts.clock.nowMs()) !== this.#ticketTurn) this.#setTicketKeys();
    this.#divide(state);
    void this.app.get(Endings, { strict: false }).run();
    void this.app.get(CloneService, { strict: false }).run(this.parts.inbox);
    void this.app.get(AccessWatch, { strict: false }).run();
    void this.app.get(EtcdLedger, { strict: false }).retry();
    for (const store of [this.parts.alerts, this.parts.telemetryEvents]) void store.retry();
    void this.app.get(HeadHerald, { strict: false }).run();
    this.#lookForRestore(state.revision);
    void this.#lookAtHeldHeads();
    void this.#lookAtEtcd();
    this.#lookAtStores();
    void this.app.get(NewsOfOthers, { strict: false }).look();
    this.#queue.retry();
    for (const nodeId of this.#later.due()) this.#queue.add(nodeId);
    for (const nodeId of this.app.get(EventIntake, { strict: false }).due())
      this.#queue.add(nodeId);
    this.#measure();
  }

  /** Hosts of a replica that went are looked after here from now on, those of one that came by it. */
  #divide({ unreadable }: FleetState): void {
    const { replicas, metrics } = this.parts;
    replicas.canRead(unreadable.size === 0);
    const before = replicas.refresh();
    if (!before) return;
    const { division } = replicas;
    metrics.replicas.set(division.replicas.length);
    this.#log.info('the hosts are divided anew', { ...division });
    this.app
      .get(Deliveries, { strict: false })
      .takeOver((nodeId) => division.owns(nodeId) && !before.owns(nodeId));
  }

  #lookForRestore(revision: bigint): void {
    const { restoreGuard, trust, metrics } = this.parts;
    const reports = this.app.get(ReportCache, { strict: false });
    const { epoch } = trust.root.document;
    // Mostly nobody is ahead, and then nobody need be asked: this is done every second.
    const claims = reports.mayBeAhead(epoch, revision) ? this.#claims() : [];
    const changed = restoreGuard.look({ epoch, revision, claims, nowMs: performance.now() });
    const { alarm } = restoreGuard;
    metrics.restoreAlarm.set(alarm ? 1 : 0);
    if (changed && alarm) this.#log.error('etcd was restored', { remedy: alarmWords(alarm) });
    if (changed && !alarm) this.#log.info('publishing goes on: etcd is not behind any more');
  }

  /** What hosts say is in force. */
  #claims() {
    const reports = this.app.get(ReportCache, { strict: false });
    const ids = this.app.get(KnownHosts, { strict: false }).ids();
    return ids.flatMap((nodeId) => {
      const report = reports.get(nodeId)?.report;
      return report?.applied ? [{ node: report.host.hostname, ...report.applied }] : [];
    });
  }

  async #lookAtEtcd(): Promise<void> {
    if (!(await this.#etcdWrites.look(performance.now()))) return;
    const { ok, detail } = this.#etcdWrites.health();
    if (ok) this.#log.info('etcd takes writes again');
    else this.#log.error('etcd takes no writes', { remedy: detail });
  }

  #lookAtStores(): void {
    const { oneStore } = this.parts;
    if (!oneStore.look(performance.now())) return;
    const { ok, detail } = oneStore.health();
    if (ok) this.#log.info('all control planes that are there have one store');
    else
      this.#log.error('control planes have stores apart', {
        field: 'store.postgresql',
        value: detail,
        remedy: ONE_STORE_REMEDY,
      });
  }

  /** Never rejects. */
  async #lookAtHeldHeads(): Promise<void> {
    const heads = this.app.get(HeldHeads, { strict: false });
    let changed = false;
    try {
      changed = await heads.look(this.parts.clock.nowMs());
    } catch (error) {
      this.#log.warn('heads of hosts wait to be compared with the audit log', { error });
    }
    const { alarm } = heads;
    this.parts.metrics.auditLogAlarm.set(alarm ? 1 : 0);
    if (changed && alarm)
      this.#log.error('hosts have seen another audit log', { remedy: auditLogAlarmWords(alarm) });
    if (changed && !alarm) this.#log.info('the audit log is the one that hosts have seen again');
  }

  #measure(): void {
    const { state } = this.app.get(Fleet, { strict: false });
    const { metrics } = this.parts;
    metrics.fleetNodes.set(state.nodes.size);
    metrics.fleetPolicies.set(state.policies.size);
    metrics.fleetRevision.set(Number(state.revision));
    const { lastProgressAt } = this.watch.health();
    metrics.watchLagSeconds.set(
      lastProgressAt === 0 ? 0 : (performance.now() - lastProgressAt) / 1_000,
    );
  }

  /** What a crash in the middle of a large write has left. */
  async #sweepEtcd(): Promise<void> {
    try {
      await this.parts.etcd.sweep();
    } catch (error) {
      this.#log.debug('etcd was not swept', { error: describeError(error) });
    }
  }

  #vitals(): Vitals {
    const { state } = this.app.get(Fleet, { strict: false });
    const deliveries = this.app.get(Deliveries, { strict: false });
    const { alarm } = this.app.get(HeldHeads, { strict: false });
    const authored = this.app.get(AuthoredIndex, { strict: false });
    const alerts = this.parts.alerts.health();
    return {
      watch: this.watch.health(),
      fleetRevision: state.revision,
      ...redisHealth(state, deliveries.health()),
      alerts: alerts.ok ? this.parts.telemetryEvents.health() : alerts,
      auditLog: this.app.get(EtcdLedger, { strict: false }).health(),
      etcdWrites: this.#etcdWrites.health(),
      store: this.parts.oneStore.health(),
      rewritten: alarm && auditLogAlarmWords(alarm),
      restored: this.parts.restoreGuard.alarm && alarmWords(this.parts.restoreGuard.alarm),
      waiting: deliveries.waiting,
      unreadable: [
        ...state.unreadable.keys(),
        ...authored.refusedKeys((nodeId) => state.nameOf(nodeId) !== undefined),
      ],
      nowMs: performance.now(),
    };
  }
}

/** The health controller is made before what it tells of. */
class LateVitals extends VitalSigns {
  override read(): Vitals {
    const watch = {
      connected: false,
      lastProgressAt: 0,
      revision: 0n,
      reconnects: 0,
      snapshots: 0,
    };
    const redis = { ok: false, detail: 'not connected yet' };
    const alerts = { ok: true, detail: 'nothing came yet' };
    const auditLog = alerts;
    return {
      watch,
      fleetRevision: 0n,
      redis,
      alerts,
      auditLog,
      etcdWrites: alerts,
      store: alerts,
      waiting: 0,
      unreadable: [],
      nowMs: 0,
    };
  }
}
