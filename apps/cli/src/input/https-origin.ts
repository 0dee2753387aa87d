import { CommandFailed, UsageError } from '../output/errors.js';

/** The address of a control plane, `https://HOST[:PORT]`, as an option has it. Throws UsageError. */
export function httpsOrigin(option: string, text: string): string {
  const amiss = amissWith(text);
  if (amiss === undefined) return new URL(text).origin;
  throw new UsageError(`${option} ${amiss.what}: ${amiss.remedy}`);
}

/** The same of what is not in the command line, as it is written there, without slashes at its end. Throws CommandFailed. */
export function knownOrigin(source: string, text: string): string {
  const url = text.replace(/\/+$/, '');
  const amiss = amissWith(url);
  if (amiss === undefined) return url;
  throw new CommandFailed(`${source} ${amiss.what}`, amiss.remedy);
}

function amissWith(text: string): { readonly what: string; readonly remedy: string } | undefined {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:')
    return { what: `"${text}" is not https://HOST:PORT`, remedy: 'e.g. https://127.0.0.1:7443' };
  if (url.username !== '' || url.password !== '')
    return { what: 'holds a user or a password', remedy: `write ${url.origin}` };
  const behind = `${url.pathname}${url.search}${url.hash}`;
  if (behind === '/') return undefined;
  return {
    what: `"${text}" goes on with "${behind}"`,
    remedy: `write ${url.origin}; a control plane has a name and port of its own, also behind a proxy, which must pass TLS through and so cannot choose by a path`,
  };
}
