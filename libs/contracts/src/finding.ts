/** What a check found: `failed` is a fault now, `warning` one that will be. `remedy` is empty where nothing is to be done. */
export interface Finding {
  readonly check: string;
  readonly verdict: 'ok' | 'warning' | 'failed';
  readonly cause: string;
  readonly remedy: string;
}

/** `GET /v1/diagnosis`: what the control plane finds of itself, of what it needs, and of its hosts. */
export interface DiagnosisView {
  readonly findings: readonly Finding[];
  /** Hosts whose agent has reported lately, by its version. */
  readonly hostVersions: Readonly<Record<string, number>>;
}

/** A finding with nothing to do about it. */
export function fine(check: string, cause: string): Finding {
  return { check, verdict: 'ok', cause, remedy: '' };
}

/** What will be a fault if nobody looks after it. */
export function warned(check: string, cause: string, remedy: string): Finding {
  return { check, verdict: 'warning', cause, remedy };
}

/** What is a fault now. */
export function failed(check: string, cause: string, remedy: string): Finding {
  return { check, verdict: 'failed', cause, remedy };
}

const MARKS = { ok: 'ok     ', warning: 'WARNING', failed: 'FAILED ' } as const;

/** A finding for a person: a line, and its remedy below. */
export function findingText({ check, verdict, cause, remedy }: Finding): string {
  const line = `${MARKS[verdict]} ${check}: ${cause}\n`;
  return remedy === '' ? line : `${line}        remedy: ${remedy}\n`;
}
