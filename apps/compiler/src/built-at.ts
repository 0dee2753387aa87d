/**
 * When this program was built, ms since 1970: a clock that is behind it is wrong. 0 in the sources; each build writes
 * the time of its commit in this place (tools/prepare.sh).
 */
export const BUILT_AT_MS: number = 0;
