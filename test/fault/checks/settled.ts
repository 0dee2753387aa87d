import type { Final, Line, SaidOfNode } from '../history.js';
import type { Truth } from '../truth.js';
import { namesOf } from './hosts.js';
import type { Violation } from './violation.js';

/** The end of a history, when the faults were over and everything had had its time. */
export function checkSettled(lines: readonly Line[], truth: Truth): Violation[] {
  const index = lines.findIndex(({ type }) => type === 'quiet');
  const line = lines[index];
  const found =
    line?.type === 'quiet'
      ? [...hosts(line.final, truth), ...policies(line.final, truth)]
      : ['the history has no end'];
  return found.map((what) => ({ rule: 'settled', at: index + 1, what }));
}

function hosts(final: Final, truth: Truth): string[] {
  return truth.live().flatMap((node) => {
    const wanted = namesOf(truth.wantedAt(node, Infinity) ?? {});
    const host = final.hosts.find((each) => each.node === node);
    if (host === undefined) return [`${node} says nothing`];
    const has = namesOf(host.policies);
    if (has !== wanted) return [`${node} has [${has}], newest is [${wanted}]`];
    const letOff = truth.suspendedAt(node, Infinity);
    if (host.suspended !== letOff)
      return [`${node} is suspended: ${host.suspended ?? 'no'}; it is to be: ${letOff ?? 'no'}`];
    return host.fellBack ? [`${node} has fallen back, and nothing was denied to it`] : [];
  });
}

function policies(final: Final, truth: Truth): string[] {
  const newest = [...truth.policiesAt(Infinity)].filter(([, { selector }]) => selector);
  const expected = newest.map(([name, { revision }]) => `${name}@${revision}`).sort();
  const answered = final.policies.map(({ policy, revision }) => `${policy}@${revision}`).sort();
  if (expected.join() !== answered.join())
    return [`the control plane has [${answered.join(' ')}], etcd [${expected.join(' ')}]`];
  return final.policies.flatMap(({ policy, nodes }) => stragglers(policy, nodes, truth));
}

function stragglers(policy: string, said: readonly SaidOfNode[], truth: Truth): string[] {
  return truth.live().flatMap((node) => {
    if (truth.wantedAt(node, Infinity)?.[policy] === undefined) return [];
    if (truth.suspendedAt(node, Infinity) !== undefined) return [];
    const state = said.find((each) => each.node === node)?.state ?? 'not named';
    return state === 'enforced' ? [] : [`${policy} is ${state} on ${node}`];
  });
}
