/**
 * A name that is asked of DNS as the table spells it, so that a directory stands for a domain with all names below it:
 * `www.evil.example` is `/example/evil/www/`. Case does not count.
 */
export function queryPath(name: string): string {
  const labels = name.toLowerCase().split('.').filter(Boolean);
  return `/${labels
    .reverse()
    .map((label) => `${label}/`)
    .join('')}`;
}

/** Why a domain, as a rule has it, stands for no names that could be judged; undefined if it does. */
export function domainProblem(domain: string): string | undefined {
  if (domain.includes('*'))
    return `${JSON.stringify(domain)} has a * that is not *. in front: a domain stands for every name below it`;
  return queryPath(domain) === '/' ? 'a domain without a label would be every name' : undefined;
}
