import { annotationMarks, type HostPolicy, labelMarks, type LabelSelector } from '#policy-model';

/** What an exception is made of. */
export interface ExceptionOrder {
  readonly name: string;
  readonly selector: LabelSelector;
  readonly until: string;
  readonly reason: string;
}

const SECTIONS = ['process', 'file', 'network', 'capabilities', 'device'] as const;

/**
 * A policy of tier `exception` that allows what `policy` takes, on the hosts of the selector until its end. Rules of
 * sections that no enforcer allows by (syscalls) have no exception.
 */
export function exceptionPolicy(policy: HostPolicy, order: ExceptionOrder): HostPolicy {
  const sections = SECTIONS.flatMap((name) => {
    const section = policy.spec[name];
    return section ? [[name, allowing(section)] as const] : [];
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

/**
 * Left out of a rule: its action, so that the policy's Allow holds, and `allowedArgs`, which no Allow has. `ownerOnly` and
 * `readOnly` stay: by the label the rule allows what a Block with them takes, and no more.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(['action', 'message', 'allowedArgs']);

function allowing<T>(section: T): T {
  return JSON.parse(
    JSON.stringify(section, (key: string, value: unknown) =>
      LEFT_OUT.has(key) ? undefined : value,
    ),
  ) as T;
}
