import { accepts, hostSteps } from './host-steps.js';
import type { Mistake } from './mistakes.js';
import {
  commitName,
  compare,
  contentOf,
  FORGED,
  hasNewest,
  isGreater,
  isRevoked,
  NEW_REPLICA,
  NOTHING,
  type Bounds,
  type Delivered,
  type Replica,
  type State,
} from './state.js';
import { step, type DeliveryStep } from './step.js';

/** By an owner of Redis. */
export const REPLAY = 'an old assignment is replayed';

/** Every step that is possible in `state`. */
export function steps(state: State, bounds: Bounds, mistake?: Mistake): DeliveryStep[] {
  return [
    ...commits(state, bounds),
    ...([0, 1] as const).flatMap((index) => replicaSteps(state, index, mistake)),
    ...hostSteps(state, mistake),
    ...controlPlaneSteps(state, mistake),
    ...(state.faults > 0 ? faults({ ...state, faults: state.faults - 1 }, mistake) : []),
  ];
}

function commits(state: State, bounds: Bounds): DeliveryStep[] {
  if (state.nextCommit > bounds.commits) return [];
  const generation = state.generation + 1;
  const content = contentOf(state.nextCommit, bounds);
  const name = commitName(state.epoch, generation, content);
  const next = {
    ...state,
    generation,
    log: [...state.log, content],
    committed: [...state.committed, name],
    nextCommit: state.nextCommit + 1,
  };
  return [step(`commit ${state.nextCommit}`, next, false)];
}

const isDeletion = (content: number): boolean => content === 2;

function replicaSteps(state: State, index: 0 | 1, mistake?: Mistake): DeliveryStep[] {
  const replica = state.replicas[index];
  if (replica.gone) return [];
  const with_ = (changed: Partial<Replica>, rest: Partial<State> = {}): State => {
    const replicas: [Replica, Replica] = [...state.replicas];
    replicas[index] = { ...replica, ...changed };
    return { ...state, ...rest, replicas };
  };
  const all: DeliveryStep[] = [];
  const name = (what: string): string => `replica ${index + 1} ${what}`;
  if (replica.generation < state.generation)
    all.push(step(name('reads an event'), with_(readEvent(state, replica, mistake))));
  if (replica.markerGone) {
    const { board: lost } = replica;
    all.push(step(name('notices the loss'), with_({ board: undefined, lost, markerGone: false })));
  }
  // Half of the assignment's time is over: what an owner of Redis can hold up is held up until then.
  if (replica.board && isHeldUp(state, mistake))
    all.push(step(name('renews'), with_({ board: undefined })));
  if (
    isBehind(state, replica) &&
    mistake !== 'write again what was lost, whatever the host has had since'
  )
    all.push(step(name('hears of something later'), with_({ board: looked(state, replica) })));
  if (isDue(state, replica, mistake)) {
    const again = isAgain(state, replica);
    const clock = again ? state.clock : state.clock + 1;
    const sealed = again ? replica.lost : seal(state, replica, clock, mistake);
    const published = Math.max(state.published, sealed?.order[1] ?? 0);
    const what = again ? 'seals what was lost again' : 'seals';
    all.push(step(name(what), with_({ sealed, lost: undefined }, { clock, published })));
  }
  if (state.redis && !serves(replica, mistake))
    all.push(step(name('forgets the host'), with_({ board: undefined }, { redis: undefined })));
  if (replica.sealed !== undefined && !state.alarm)
    all.push(step(name('writes'), write(state, replica.sealed, with_, mistake)));
  return all;
}

const serves = ({ content }: Replica, mistake?: Mistake): boolean =>
  !isRevoked(content) || mistake === 'serve hosts that were revoked';

/** Redis has been tampered with, and the host finds nothing there that it would take. */
function isHeldUp(state: State, mistake?: Mistake): boolean {
  const { tampered, host, redis } = state;
  const hasWork =
    host.staged !== undefined ||
    host.fetched.length > 0 ||
    (redis && accepts(host, redis, mistake));
  return tampered && !hasNewest(state) && !hasWork;
}

/** What the host has seen comes after what was written for it, and etcd is not behind that. */
function isBehind({ status, epoch }: State, { board, generation }: Replica): boolean {
  if (status === undefined || board === undefined || status.seen[0] !== epoch) return false;
  return status.seen[1] <= generation && compare(status.seen, board.order) > 0;
}

/** What is in Redis, where the host would take it and it says what the host is to have. */
function looked({ redis, status }: State, { content }: Replica): Delivered | undefined {
  const isNew = redis?.signed === true && status && compare(redis.order, status.seen) >= 0;
  return isNew && redis.content === content ? redis : undefined;
}

/** What was lost is still what the host is to have. */
function isAgain({ epoch }: State, { lost, content }: Replica): boolean {
  return lost?.order[0] === epoch && lost.content === content;
}

function readEvent(state: State, replica: Replica, mistake?: Mistake): Partial<Replica> {
  const generation = replica.generation + 1;
  const content = state.log[generation] ?? 0;
  const forgets = mistake === 'forget a deletion' && isDeletion(content);
  const { board } = replica;
  return { generation, content, ...(forgets && board ? { board: { ...board, content } } : {}) };
}

function isDue(state: State, replica: Replica, mistake?: Mistake): boolean {
  const isOvertaken =
    state.redis?.signed === true &&
    compare(state.redis.order, [state.epoch, replica.generation, Infinity]) > 0;
  return (
    serves(replica, mistake) &&
    !state.alarm &&
    replica.sealed === undefined &&
    replica.generation > 0 &&
    replica.board?.content !== replica.content &&
    !isOvertaken
  );
}

function seal(state: State, replica: Replica, clock: number, mistake?: Mistake): Delivered {
  const { generation, content } = replica;
  const ignoresDeletion =
    mistake === 'generation from the puts alone, so that a deletion has none' &&
    isDeletion(content);
  return {
    order: [state.epoch, ignoresDeletion ? generation - 1 : generation, clock],
    content,
    signed: true,
  };
}

type With = (changed: Partial<Replica>, rest?: Partial<State>) => State;

function write(state: State, sealed: Delivered, with_: With, mistake?: Mistake): State {
  const there = state.redis;
  if (there?.signed === false) return with_({ sealed: undefined }, { redis: undefined });
  const isChecked = mistake !== 'write without the greater-than check';
  if (isChecked && !isGreater(sealed.order, there?.order)) {
    const isSame = there?.content === sealed.content;
    return with_({ sealed: undefined, ...(isSame ? { board: there } : {}) });
  }
  return with_(
    { sealed: undefined, board: sealed },
    { redis: sealed, nudged: true, ...(state.faults > 0 ? record(state, sealed) : {}) },
  );
}

/** The first is the oldest, and so enough for every replay. */
function record({ recorded }: State, one: Delivered): Partial<State> {
  return { recorded: recorded ?? one };
}

function controlPlaneSteps(state: State, mistake?: Mistake): DeliveryStep[] {
  const all: DeliveryStep[] = [];
  const { inbox, status } = state;
  const isNews = inbox !== undefined && (status === undefined || inbox.sequence > status.sequence);
  if (isNews || (inbox !== undefined && mistake === 'take reports whatever their sequence'))
    all.push(
      step('the report is read', {
        ...state,
        status: inbox,
        inbox: undefined,
        ...(state.faults > 0 ? { recordedReport: state.recordedReport ?? inbox } : {}),
      }),
    );
  const claimed = status?.order[0] === state.epoch ? status.order[1] : 0;
  const isBehind = Math.max(claimed, state.published) > state.generation;
  if (isBehind && !state.alarm && mistake !== 'publish on after a restore')
    all.push(step('the alarm is raised', { ...state, alarm: true }));
  if (state.alarm) all.push(step('an operator recovers', recover(state)));
  return all;
}

/** A new epoch by the root's keys, over what etcd holds now. */
function recover(state: State): State {
  const epoch = state.epoch + 1;
  const held = state.log.map((content, generation) => commitName(epoch, generation, content));
  const fresh = (replica: Replica): Replica => ({
    ...replica,
    ...{ board: undefined, lost: undefined, sealed: undefined },
  });
  return {
    ...state,
    epoch,
    alarm: false,
    published: 0,
    committed: [...state.committed, ...held],
    replicas: [fresh(state.replicas[0]), fresh(state.replicas[1])],
  };
}

function faults(state: State, mistake?: Mistake): DeliveryStep[] {
  const fault = (name: string, next: State): DeliveryStep => step(name, next, false);
  const all = [fault('the host dies and boots', crash(state, mistake))];
  const [first, ...others] = state.host.fetched;
  if (first?.signed) {
    const fetched = [{ ...first, content: FORGED, signed: false }, ...others];
    all.push(fault('what was fetched is corrupt', { ...state, host: { ...state.host, fetched } }));
  }
  if (state.nudged) all.push(fault('the nudge is lost', { ...state, nudged: false }));
  for (const index of [0, 1] as const)
    if (state.replicas[index].generation < state.generation)
      all.push(fault(`the watch of replica ${index + 1} is cut`, cutWatch(state, index, mistake)));
  if (state.redis) all.push(...losses(state).map(({ name, next }) => fault(name, next)));
  if (state.host.lastGood && !state.host.staged)
    all.push(fault('the host falls back', fallBack(state, state.host.lastGood, mistake)));
  const tampered = { ...state, tampered: true };
  if (state.recorded && state.recorded !== state.redis)
    all.push(fault(REPLAY, { ...tampered, redis: state.recorded }));
  const order = [state.epoch + 1, 9, 9] as const;
  const redis = { order, content: FORGED, signed: false };
  all.push(fault('an assignment is forged', { ...tampered, redis, nudged: true }));
  if (state.recordedReport)
    all.push(fault('an old report is replayed', { ...tampered, inbox: state.recordedReport }));
  if (state.generation > 1 && state.epoch === 1)
    all.push(fault('etcd is restored', restore(state)));
  return all;
}

/** It goes on after what it has brought, so that all comes that comes anyway. */
function cutWatch(state: State, index: 0 | 1, mistake?: Mistake): State {
  if (mistake !== 'resume a watch at the revision of the header') return state;
  const replicas: [Replica, Replica] = [...state.replicas];
  replicas[index] = { ...replicas[index], generation: state.generation };
  return { ...state, replicas };
}

/** Of Redis alone, and, while another is left, of the machine that one of the replicas is on too. */
function losses(state: State): { readonly name: string; readonly next: State }[] {
  const [first, second] = state.replicas;
  const lost = { ...state, redis: undefined, nudged: false, inbox: undefined };
  const all: { name: string; next: State }[] = [
    { name: 'Redis loses everything', next: { ...lost, replicas: [lose(first), lose(second)] } },
  ];
  if (first.gone || second.gone) return all;
  const name = (number: number): string => `Redis and replica ${number} are gone for good`;
  const gone = { ...NEW_REPLICA, gone: true };
  return [
    ...all,
    { name: name(1), next: { ...lost, replicas: [gone, lose(second)] } },
    { name: name(2), next: { ...lost, replicas: [lose(first), gone] } },
  ];
}

const lose = (replica: Replica): Replica => ({
  ...replica,
  markerGone: replica.board !== undefined,
});

function crash(state: State, mistake?: Mistake): State {
  const { host } = state;
  const forgets = mistake === 'keep the highest seen in memory alone';
  return {
    ...state,
    nudged: false,
    host: {
      ...host,
      seen: forgets ? NOTHING : host.seen,
      fetched: [],
      staged: undefined,
      swapped: false,
      inKernel: host.applied?.content ?? 0,
    },
  };
}

function fallBack(state: State, lastGood: Delivered, mistake?: Mistake): State {
  const { host } = state;
  const seen = mistake === 'lower the highest seen on fallback' ? lastGood.order : host.seen;
  const fallen = { applied: lastGood, inKernel: lastGood.content, lastGood: undefined };
  return { ...state, host: { ...host, ...fallen, fellBack: true, seen } };
}

/** To the state before the last commit, with plain `etcdctl snapshot restore`; replicas start anew. */
function restore(state: State): State {
  const generation = state.generation - 1;
  const content = state.log[generation] ?? 0;
  const replica = (old: Replica): Replica =>
    old.gone ? old : { ...old, ...{ generation, content, board: undefined, lost: undefined } };
  return {
    ...state,
    generation,
    log: state.log.slice(0, generation + 1),
    replicas: [replica(state.replicas[0]), replica(state.replicas[1])],
  };
}
