/** Who did what to what; `detail` is small and holds no secret. */
export interface AuditLogDraft {
  readonly by: string;
  readonly action: string;
  readonly target: string;
  /** Default: `done`. */
  readonly outcome?: 'done' | 'refused';
  /** Default: where the caller of the request calls from. */
  readonly source?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}
