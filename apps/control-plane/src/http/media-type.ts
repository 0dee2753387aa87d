import { ProblemError } from './problem.error.js';

const YAML = new Set([
  'application/yaml',
  'application/x-yaml',
  'text/yaml',
  'text/x-yaml',
  'text/plain',
]);

/** Which language a body is in; JSON where nothing is said. Throws 415 for anything else. */
export function formatOf(contentType: string | undefined): 'yaml' | 'json' {
  const type = (contentType ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') return 'json';
  if (YAML.has(type)) return 'yaml';
  throw new ProblemError('unsupported-media-type', {
    detail: 'send application/yaml or application/json',
  });
}
