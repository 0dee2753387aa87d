import 'reflect-metadata';
import { argv } from 'node:process';
import { decodeEnvelope } from '#bundle';
import { HostLink } from '#redis';
import { Spool } from '../../../apps/agent/src/events/spool.js';
import { SensorWatch } from '../../../apps/agent/src/sensor/sensor-watch.js';
import type { AgentMistake } from './mistakes.js';
import { replace } from './replace.js';

/**
 * For the fault suite only: the agent with one mistake, made from outside, so that nothing of the product leads here.
 * Usage: agent MISTAKE run --config=FILE.
 */
const PLANT: Readonly<Record<AgentMistake, () => void>> = {
  'reports as applied what it has only handed over': () => {
    const handedOver = new Map<SensorWatch, object>();
    const told = new Set<() => void>();
    replace(
      SensorWatch.prototype,
      'onChange',
      (shipped) =>
        function (this: SensorWatch, listener) {
          told.add(listener);
          shipped.call(this, listener);
        },
    );
    replace(
      SensorWatch.prototype,
      'apply',
      (shipped) =>
        async function (this: SensorWatch, envelope) {
          const { assignmentVersion, bundleDigest: digest } = decodeEnvelope(envelope).record;
          handedOver.set(this, { assignmentVersion, digest });
          for (const tell of told) tell();
          const state = await shipped.call(this, envelope);
          handedOver.delete(this);
          return state;
        },
    );
    replaceSighting((sighting, of) => {
      return { ...sighting, state: { ...sighting.state, ...handedOver.get(of) } };
    });
  },
  'drops denials once it has sent them': () => {
    let last: { readonly of: Spool; readonly id: string } | undefined;
    replace(
      Spool.prototype,
      'read',
      (shipped) =>
        async function (this: Spool, after, limit) {
          const alerts = await shipped.call(this, after, limit);
          last = { of: this, id: alerts.at(-1)?.EventID ?? '' };
          return alerts;
        },
    );
    replace(
      HostLink.prototype,
      'appendEvents',
      (shipped) =>
        async function (this: HostLink, sealed) {
          const id = await shipped.call(this, sealed);
          await last?.of.acknowledge(last.id);
          return id;
        },
    );
  },
};

type Seen = NonNullable<SensorWatch['sighting']>;

function replaceSighting(mistake: (sighting: Seen, of: SensorWatch) => Seen): void {
  const name = 'sighting';
  const shipped = Object.getOwnPropertyDescriptor(SensorWatch.prototype, name);
  Object.defineProperty(SensorWatch.prototype, name, {
    get(this: SensorWatch): Seen | undefined {
      const sighting = shipped?.get?.call(this) as Seen | undefined;
      return sighting && mistake(sighting, this);
    },
  });
}

const [mistake] = argv.splice(2, 1);
PLANT[mistake as AgentMistake]();
await import('../../../apps/agent/src/main.js');
