import { Option } from 'commander';
import { durationOf } from './duration.js';

/** An option that is a duration and has a default, which help shows as one writes it: `1h`, not milliseconds. */
export function durationOption(
  flags: string,
  description: string,
  fallback: string,
  reader: typeof durationOf = durationOf,
): Option {
  const option = new Option(flags, description);
  const read = reader(option.long ?? flags);
  return option.argParser(read).default(read(fallback), fallback);
}
