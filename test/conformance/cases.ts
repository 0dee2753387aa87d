import { ARGUMENT_GROUPS } from './argument-cases.js';
import type { Group } from './case.js';
import { FILE_GROUPS } from './file-cases.js';
import { NAME_GROUPS } from './name-cases.js';
import { OTHER_GROUPS } from './other-cases.js';

/** Every group there is. */
export const GROUPS: readonly Group[] = [
  ...FILE_GROUPS,
  ...OTHER_GROUPS,
  ...ARGUMENT_GROUPS,
  ...NAME_GROUPS,
];
