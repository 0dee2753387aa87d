/**
 * What a policy says, flattened: one Rule per thing named, with everything it inherits (rule before section before
 * spec; no action at all means Block, as in KubeArmor) and with comma lists expanded at every element. The place of a
 * rule in the document is its id, so that a status, a denial and an editor speak of the same line. Nothing is dropped
 * here because an enforcer cannot do it: that is for the compiler to say.
 */
import type {
  Action,
  Attributes,
  CapabilitiesSection,
  DeviceSection,
  HostPolicy,
  NetworkSection,
  Source,
  SyscallPath,
  SyscallsSection,
} from './kinds.js';
import { liftedPolicy, tierOf } from './marks.js';
import { filePathRules, type Item, processRules } from './path-rules.js';
import type { Rule, RuleObject } from './rule.js';
import { commaList } from './selector.js';
import { directoryOf, shortestPath } from './shortest-path.js';

/** The rules of a validated policy, in the order of the document. */
export function rulesOf(policy: HostPolicy): readonly Rule[] {
  const { spec } = policy;
  const inherit = (section: Attributes | undefined) => (item: Item) =>
    toRule(policy, [item.attributes, section ?? {}, spec], item);
  return [
    ...processRules(spec.process).map(inherit(spec.process)),
    ...filePathRules(spec.file).map(inherit(spec.file)),
    ...networkItems(spec.network).map(inherit(spec.network)),
    ...capabilityItems(spec.capabilities).map(inherit(spec.capabilities)),
    ...syscallItems(spec.syscalls).map(inherit(spec.syscalls)),
    ...deviceItems(spec.device).map(inherit(spec.device)),
    ...apparmorItems(spec.apparmor).map(inherit({})),
    ...exemptionItems(policy).map(inherit({})),
  ];
}

function toRule(policy: HostPolicy, levels: readonly Attributes[], item: Item): Rule {
  const action = actionOf(item.object, levels);
  return {
    id: item.id,
    policy: policy.metadata.name,
    action,
    tier: tierOf(policy),
    severity: first(levels, (level) => level.severity),
    tags: first(levels, (level) => level.tags) ?? [],
    message: first(levels, (level) => level.message),
    object: item.object,
    sources: sourcePaths(item.sources),
    ownerOnly: item.ownerOnly ?? false,
    readOnly: item.readOnly ?? false,
    lifts:
      action === 'Allow' && item.object.kind !== 'exemption' && liftedPolicy(policy) !== undefined,
    pts: item.pts,
    allowedArgs: item.allowedArgs,
  };
}

/** Of what can be only one of them, whatever the policy's action says: system calls are observed, as validation warns. */
function actionOf(object: RuleObject, levels: readonly Attributes[]): Action {
  if (object.kind === 'syscall') return 'Audit';
  if (object.kind === 'exemption') return 'Allow';
  return first(levels, (level) => level.action) ?? 'Block';
}

function first<T>(
  levels: readonly Attributes[],
  pick: (level: Attributes) => T | undefined,
): T | undefined {
  for (const level of levels) {
    const value = pick(level);
    if (value !== undefined) return value;
  }
  return undefined;
}

function sourcePaths(sources: readonly Source[] = []): readonly string[] {
  const paths = sources.flatMap(({ path }) => (path === undefined ? [] : [shortestPath(path)]));
  return [...new Set(paths)];
}

/** One item for each element of a comma list; a single value keeps the plain id. */
function expand(
  id: string,
  list: string,
  make: (id: string, element: string) => Item,
): readonly Item[] {
  const elements = commaList(list);
  const [only] = elements;
  if (elements.length === 1 && only !== undefined) return [make(id, only)];
  return elements.map((element, place) => make(`${id}.${place}`, element));
}

function networkItems(section: NetworkSection | undefined): readonly Item[] {
  const protocols = (section?.matchProtocols ?? []).flatMap((match, index) =>
    expand(`network/matchProtocols/${index}`, match.protocol, (id, element) => ({
      id,
      attributes: match,
      sources: match.fromSource,
      object: { kind: 'protocol', protocol: element.toLowerCase() },
    })),
  );
  const queries = (section?.matchDNSQueries ?? []).flatMap((match, index) =>
    expand(`network/matchDNSQueries/${index}`, match.domain, (id, element) => ({
      id,
      attributes: match,
      sources: match.fromSource,
      object: { kind: 'dns', domain: canonicalDomain(element) },
    })),
  );
  return [...protocols, ...queries];
}

/**
 * Names in the DNS are compared without case, and a final dot says nothing about which name it is. Nor does `*.` in front:
 * a domain stands for all names below it anyway.
 */
function canonicalDomain(domain: string): string {
  return domain.toLowerCase().replace(/^\*\./, '').replace(/\.$/, '');
}

function capabilityItems(section: CapabilitiesSection | undefined): readonly Item[] {
  return (section?.matchCapabilities ?? []).flatMap((match, index) =>
    expand(`capabilities/matchCapabilities/${index}`, match.capability, (id, element) => ({
      id,
      attributes: match,
      sources: match.fromSource,
      object: { kind: 'capability', capability: element.toLowerCase().replace(/^cap_/, '') },
    })),
  );
}

function syscallItems(section: SyscallsSection | undefined): readonly Item[] {
  const calls = (section?.matchSyscalls ?? []).map((match, index) =>
    syscallItem(`syscalls/matchSyscalls/${index}`, match),
  );
  const paths = (section?.matchPaths ?? []).map((match, index) =>
    syscallItem(`syscalls/matchPaths/${index}`, match),
  );
  return [...calls, ...paths];
}

function syscallItem(id: string, match: SyscallPath): Item {
  const { syscall = [], path, recursive = false, fromSource = [] } = match;
  const sourceDirectories = fromSource.flatMap((source) =>
    source.dir === undefined
      ? []
      : [{ dir: directoryOf(source.dir), recursive: source.recursive ?? false }],
  );
  const object: RuleObject = { kind: 'syscall', syscalls: syscall, recursive, sourceDirectories };
  return {
    id,
    attributes: {},
    sources: fromSource,
    object: path === undefined ? object : { ...object, path: shortestPath(path) },
  };
}

function deviceItems(section: DeviceSection | undefined): readonly Item[] {
  return (section?.matchDevice ?? []).map((match, index) => {
    const { class: name, subClass, protocol, level } = match;
    return {
      id: `device/matchDevice/${index}`,
      attributes: match,
      object: { kind: 'device', class: name, subClass, protocol, level },
    };
  });
}

function apparmorItems(text: string | undefined): readonly Item[] {
  if (text === undefined || text === '') return [];
  return [{ id: 'apparmor', attributes: {}, object: { kind: 'apparmor', text } }];
}

function exemptionItems(policy: HostPolicy): readonly Item[] {
  const lifted = liftedPolicy(policy);
  if (lifted === undefined) return [];
  return [{ id: 'lifts', attributes: {}, object: { kind: 'exemption', policy: lifted } }];
}
