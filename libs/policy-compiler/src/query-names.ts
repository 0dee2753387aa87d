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
