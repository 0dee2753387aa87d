/**
 * The policy table's layout. Mirror of libs/sensor/native/include/hostward-table.h, where each value is explained;
 * layout.spec.ts reads that file and compares every one.
 */
export const TABLE = {
  MAGIC: 0x31545748,
  VERSION: 5,
  SIZE_SMALL: 1 << 18,
  SIZE_MEDIUM: 1 << 20,
  SIZE_LARGE: 1 << 22,
  SIZE_MAX: 1 << 24,
  AUTOMATA_MAX: 8,
  CONDITIONS_MAX: 8,
  SUBJECTS_MAX: 16384,
  RULES_MAX: 0xffffff,
  OFF_MAGIC: 0,
  OFF_VERSION: 4,
  OFF_SIZE: 8,
  OFF_USED: 12,
  OFF_N_AUTOMATA: 16,
  OFF_N_SUBJECTS: 20,
  OFF_N_RULES: 24,
  OFF_SUBJECT_START: 28,
  OFF_START: 32,
  OFF_OPERATIONS: 64,
  OFF_CLASSES: 96,
  OFF_EXCEPTIONS: 100,
  OFF_ROWS: 104,
  OFF_CELLS: 108,
  OFF_VECTORS: 112,
  OFF_SUBJECTS: 116,
  OFF_TERMINALS: 120,
  OFF_CONCERNS: 124,
  OFF_CONDITIONS: 128,
  BYTE_CLASSES: 256,
  TRANSITIONS: 512,
  HEAD: 0x80000000,
  CLASS_MASK: 0x7fffffff,
  SLOT_BYTES: 8,
  UNUSED: 0x7fffffff,
  CLASS_BYTES: 8,
  EXCEPTION_BYTES: 8,
  ROW_BYTES: 72,
  CELL_BYTES: 16,
  CELL_CONDITIONS: 12,
  CONDITION_BYTES: 24,
  CONDITION_AUDIT: 8,
  CONDITION_STATE: 12,
  CONDITION_NEXT: 16,
  VECTOR_BYTES: 256,
  VECTOR_LENGTH: 64,
  SUBJECT_BYTES: 32,
  SUBJECT_LISTS: 0,
  SUBJECT_SOCKETS: 20,
  SUBJECT_CAPABILITIES: 24,
  SUBJECT_CONCERNS: 28,
  DECISION_RANK_SHIFT: 48,
  DECISION_DENY: 2 ** 47,
  DECISION_SAYS: 2 ** 46,
  DECISION_RULE: 0xffffff,
  LIST_POSTURE: 3,
  LIST_NONE: 0,
  LIST_AUDIT: 1,
  LIST_BLOCK: 2,
  LIST_SILENT: 4,
  LIST_RULE_SHIFT: 8,
  LIST_OF_PROCESS: 0,
  LIST_OF_FILE: 1,
  LIST_OF_NETWORK: 2,
  LIST_OF_CAPABILITIES: 3,
  LIST_OF_QUERIES: 4,
  OPERATIONS: 9,
  READ: 0,
  WRITE: 1,
  LINK: 2,
  LOCK: 3,
  MAP: 4,
  EXEC: 5,
  ABOVE: 6,
  OVER: 7,
  QUERY: 8,
  SOCKETS: 9,
  CAPABILITIES: 10,
  ALL_PATH_OPERATIONS: 0x3f,
  OWNER: 0,
  OTHER: 1,
} as const;

/**
 * Letters of path operations, by number; after `x` those of directories above what is blocked (ancestors.ts), and of
 * names that are asked of DNS (query-names.ts).
 */
export const OPERATIONS = 'rwlkmxaoq';

/** Mask of the operations that some permission letters name. */
export function operationMask(perms: string): number {
  return [...perms].reduce((mask, letter) => {
    const operation = OPERATIONS.indexOf(letter);
    return operation < 0 ? mask : mask | (1 << operation);
  }, 0);
}
