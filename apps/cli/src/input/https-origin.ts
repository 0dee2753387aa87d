import { UsageError } from '../errors.js';

/** The address of a control plane, `https://HOST[:PORT]`, as an option has it. Throws UsageError. */
export function httpsOrigin(option: string, text: string): string {
  const url = URL.parse(text);
  const isBare = url?.pathname === '/' && url.search === '' && url.hash === '';
  if (url?.protocol === 'https:' && isBare && url.username === '' && url.password === '')
    return url.origin;
  throw new UsageError(`${option} "${text}" is not https://HOST:PORT`);
}
