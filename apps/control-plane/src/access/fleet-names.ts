import { Injectable } from '@nestjs/common';
import type { ScopedKind } from '../auth/needs.decorator.js';
import type { Scope } from '../auth/scope.js';
import { ScopedNames } from '../auth/scoped-names.js';
import { Fleet } from '../store/fleet.js';

const PLURALS = { node: 'nodes', policy: 'policies', group: 'groups' } as const;

/** The names of the fleet as it is in memory. */
@Injectable()
export class FleetNames extends ScopedNames {
  constructor(private readonly fleet: Fleet) {
    super();
  }

  exists(kind: ScopedKind, name: string): boolean {
    return this.fleet.whole()[PLURALS[kind]].get(name) !== undefined;
  }

  isVisible(kind: ScopedKind, name: string, scope: Scope): boolean {
    return this.fleet.seenIn(scope)[PLURALS[kind]].get(name) !== undefined;
  }
}
