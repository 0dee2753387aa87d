import type { Problem } from '#contracts';
import { CommandFailed } from '../output/errors.js';

/** The control plane's problem document as an error: what is wrong, field by field, and what to do. */
export class ProblemAnswer extends CommandFailed {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(describe(problem), remedyOf(status, problem));
  }

  /** Whether the same request may succeed later without any change to it. */
  get passing(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

function describe(problem: Problem): string {
  const errors = (problem.errors ?? []).map((error) => {
    const value = error.value === undefined ? '' : ` (${error.value})`;
    return `  ${error.field}${value}: ${error.message}`;
  });
  // With several fields the detail repeats the first of them.
  const head = errors.length > 0 ? problem.title : (problem.detail ?? problem.title);
  return [head, ...new Set(errors)].join('\n');
}

const LOCK_OUT = 'urn:hostward:problem:would-lock-out';

function remedyOf(status: number, problem: Problem): string | undefined {
  if (problem.type === LOCK_OUT) {
    return `narrow the rule: name its programs by fromSource, make it readOnly, or choose a deeper folder.
If it is meant, \`hostward apply --override-protection\` takes it; a host that can no
longer be reached then returns to its last known good, but this is yours to answer for.`;
  }
  const named = [...new Set((problem.errors ?? []).map((error) => error.remedy))].filter(Boolean);
  return named.length > 0 ? named.join('; ') : BY_STATUS[status];
}

const BY_STATUS: Readonly<Record<number, string>> = {
  401: `log in (\`hostward login --user NAME\`), or check HOSTWARD_TOKEN and \`hostward context list\`;
an admin token that is lost: \`hostward up --reset-admin-token\` on the control plane's machine`,
  403: '`hostward whoami` shows what you may do; an admin gives roles by `hostward create user`',
  404: '`hostward get KIND` lists what there is; names are exact',
  409: 'look at it by `hostward describe` or `hostward history`, then decide',
  412: 'it was changed meanwhile: read it again, then repeat the change',
  413: 'send fewer or smaller documents at once, without --prune, which would delete the others',
  429: 'wait a few seconds and repeat it',
  500: 'this is a defect: the log of the control plane (control-plane.log) says more',
  503: 'etcd, Redis or room on its disk is lacking: GET /readyz of the control plane says what; repeat it then',
};
