import type { ScopedKind } from './needs.decorator.js';
import type { Scope } from './scope.js';

/** Which names of the fleet exist, and which of them a scope shows. The guard's port; `access` implements it. */
export abstract class ScopedNames {
  /** Whether there is one of this name, in whatever scope. */
  abstract exists(kind: ScopedKind, name: string): boolean;

  /** Whether a caller with this scope may know of it. */
  abstract isVisible(kind: ScopedKind, name: string, scope: Scope): boolean;
}
