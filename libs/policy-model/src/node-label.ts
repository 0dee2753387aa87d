import { hostnameKeys, MARK_PREFIX } from './marks.js';
import { isLabelKey, isLabelValue } from './names.js';
import { visibilityFault } from './visibility.js';

/** Whether a node may carry the label: Kubernetes' syntax, and none of the keys that stand for something else. */
export function isNodeLabel(key: string, value: string): boolean {
  const reserved =
    key.startsWith(MARK_PREFIX) || key === hostnameKeys.exact || key === hostnameKeys.glob;
  if (reserved || visibilityFault(key, value) !== undefined) return false;
  return isLabelKey(key) && isLabelValue(value);
}
