import { argv } from 'node:process';
import { CommandLine } from './program.js';
import { run } from './run.js';

await run(new CommandLine(), argv.slice(2));
