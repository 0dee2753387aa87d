import { argv } from 'node:process';
import { CommandLine } from '../../apps/cli/src/program.js';
import { run } from '../../apps/cli/src/run.js';
import { DEVELOPMENT } from './program.js';

await run(new CommandLine(DEVELOPMENT), argv.slice(2));
