// The same commit gives the same answer: properties are tried by one seed, and by a new one with `--full`.
import { env } from 'node:process';
import fc from 'fast-check';

if (env['HOSTWARD_FULL'] !== '1') fc.configureGlobal({ seed: 20261127 });
