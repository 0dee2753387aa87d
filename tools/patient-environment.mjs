// Limits of tests are written for a machine at its usual speed; the same one is up to three times as slow at times.
import { TestEnvironment } from 'jest-environment-node';

const PATIENCE = 3;

/** Node's environment, in which each test and hook has three times the time that it, or the configuration, names. */
export default class PatientEnvironment extends TestEnvironment {
  #stretched = new WeakSet();

  /** Jest asks for the limit right after it told that the test or hook starts. */
  handleTestEvent(event, { testTimeout }) {
    const started = { hook_start: event.hook, test_fn_start: event.test }[event.name];
    if (started === undefined || this.#stretched.has(started)) return;
    this.#stretched.add(started);
    started.timeout = PATIENCE * (started.timeout ?? testTimeout);
  }
}
