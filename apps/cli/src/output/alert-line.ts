import type { Alert } from '#contracts';
import { printable } from './printable.js';
import { tone } from './style.js';

/** One line for an alert; what a host wrote in it moves no cursor and forges no other line. */
export function alertLine(alert: Alert): string {
  const where = printable(`${alert.UpdatedTime} ${alert.Node}`);
  // Nothing was blocked: the host tells of its own enforcement (suspended, resumed, fallback, drift, lost).
  if (alert.Type === 'SystemEvent')
    return `${where} ${tone('HOST', 'yellow')} ${printable(alert.Message ?? alert.Data)}`;
  if (alert.Type === 'HostLog') return `${where} ${printable(observedText(alert))}`;
  const action = alert.Action === 'Block' ? tone('BLOCK', 'red') : alert.Action.toUpperCase();
  return `${where} ${action} ${printable(matchedText(alert))}`;
}

function matchedText(alert: Alert): string {
  const { Operation, Resource, Source, PolicyName, RuleID, Result } = alert;
  const rule = RuleID === undefined ? PolicyName : `${PolicyName} ${RuleID}`;
  return `${Operation} ${Resource} by ${Source} [${rule}] ${Result}${alike(alert)}`;
}

function observedText(alert: Alert): string {
  const { PolicyName, Resource, Source, PID, Data, Result } = alert;
  const verb = /(?:^| )operation=(\w+)/.exec(Data)?.[1] ?? '';
  const refused = Result === 'Passed' ? '' : ' refused';
  return `${PolicyName} ${verb} ${Resource}${refused} by ${Source} (${PID})${alike(alert)}`;
}

function alike({ Suppressed }: Alert): string {
  return Suppressed > 0 ? ` (+${Suppressed} alike)` : '';
}
