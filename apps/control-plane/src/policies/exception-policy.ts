import {
  type Action,
  annotationMarks,
  type HostPolicy,
  labelMarks,
  type LabelSelector,
  postureOf,
  rulesOf,
} from '#policy-model';

/** What an exception is made of. */
export interface ExceptionOrder {
  readonly name: string;
  readonly selector: LabelSelector;
  readonly until: string;
  readonly reason: string;
}

const SECTIONS = ['process', 'file', 'network', 'capabilities', 'device'] as const;

/** Whether a policy takes anything that an exception could give back: by a Block, or by a list that blocks. */
export function takesAnything(policy: HostPolicy): boolean {
  const lists = postureOf(policy) === 'block';
  return rulesOf(policy).some(
    ({ action, tier, object }) =>
      (action === 'Block' && object.kind !== 'apparmor') ||
      (action === 'Allow' && tier === 'normal' && lists),
  );
}

/**
 * A policy of tier `exception` that exempts the hosts of the selector from `policy` until its end. Its label does, for
 * Blocks and lists alike; Allows of what the Blocks take are for hosts of versions that know the label no further.
 */
export function exceptionPolicy(policy: HostPolicy, order: ExceptionOrder): HostPolicy {
  const sections = SECTIONS.flatMap((name) => {
    const section = policy.spec[name];
    const allows = section && allowing(section, policy.spec.action);
    return allows ? [[name, allows] as const] : [];
  });
  return {
    apiVersion: policy.apiVersion,
    kind: policy.kind,
    metadata: {
      name: order.name,
      labels: { [labelMarks.lifts]: policy.metadata.name },
      annotations: {
        [annotationMarks.tier]: 'exception',
        [annotationMarks.until]: order.until,
        [annotationMarks.reason]: order.reason,
      },
    },
    spec: { nodeSelector: order.selector, action: 'Allow', ...Object.fromEntries(sections) },
  };
}

/** Left out of a rule: its action, so that the policy's Allow holds, and `allowedArgs`, which no Allow has. */
const LEFT_OUT: ReadonlySet<string> = new Set(['action', 'message', 'allowedArgs']);

interface Acting {
  readonly action?: Action;
}

/** The Blocks of a section as Allows; undefined where it has none. */
function allowing(section: Acting, inherited: Action = 'Block'): object | undefined {
  const isBlock = ({ action = section.action ?? inherited }: Acting): boolean => action === 'Block';
  const lists = Object.entries(section).flatMap(([key, entries]: [string, unknown]) => {
    const blocks = Array.isArray(entries) ? (entries as Acting[]).filter(isBlock) : [];
    return key.startsWith('match') && blocks.length > 0 ? [[key, blocks.map(asAllow)]] : [];
  });
  return lists.length > 0 ? (Object.fromEntries(lists) as object) : undefined;
}

function asAllow(entry: Acting): object {
  return Object.fromEntries(Object.entries(entry).filter(([key]) => !LEFT_OUT.has(key)));
}
