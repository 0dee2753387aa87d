import type { Scope } from '../auth/scope.js';
import type { FleetState } from './fleet-state.js';
import { FleetView } from './fleet-view.js';

const MAX_VIEWS = 32;

/** Views by scope, made once for each message of the watch and scope; the longest unused is forgotten. */
export class FleetViews {
  readonly #views = new Map<string, FleetView>();

  /** What `scope` shows of `whole`. */
  of(whole: FleetState, scope: Scope): FleetState {
    const kept = this.#views.get(scope.text);
    const view = kept?.madeOf === whole.taken ? kept : new FleetView(whole, scope);
    this.#views.delete(scope.text);
    this.#views.set(scope.text, view);
    const oldest = this.#views.keys().next();
    if (this.#views.size > MAX_VIEWS && !oldest.done) this.#views.delete(oldest.value);
    return view;
  }
}
