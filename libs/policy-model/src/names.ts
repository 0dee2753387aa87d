/**
 * Names that become keys in etcd, file names and profile names on hosts. They are checked here, once, so that no later
 * step has to defend itself against `../../etc/shadow`.
 */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** DNS-1123 subdomain: lower-case letters, digits, `-` and `.`, at most 253 characters. */
export function isDnsSubdomain(name: string): boolean {
  return name.length > 0 && name.length <= 253 && name.split('.').every(isDnsLabel);
}

function isDnsLabel(label: string): boolean {
  return label.length <= 253 && DNS_LABEL.test(label);
}

/** Kubernetes' label key: an optional DNS prefix and a slash, then at most 63 characters. */
export function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  const prefixIsFine = slash < 0 || isDnsSubdomain(key.slice(0, slash));
  return prefixIsFine && isLabelName(key.slice(slash + 1));
}

/** Kubernetes' label value: empty, or at most 63 characters. */
export function isLabelValue(value: string): boolean {
  return value === '' || isLabelName(value);
}

function isLabelName(name: string): boolean {
  return name.length <= 63 && LABEL_NAME.test(name);
}

/**
 * The name a document most likely means where its own is not a DNS name: lower case, with `-` for spaces and
 * underscores. Undefined where more than that would have to be guessed.
 */
export function correctedName(name: string): string | undefined {
  const corrected = name.trim().toLowerCase().replaceAll(/[ _]+/g, '-');
  return isDnsSubdomain(corrected) ? corrected : undefined;
}
