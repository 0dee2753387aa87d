import { Clock } from '../health/clock.js';

/** A clock that goes on where a test says so; what was set back or forward is its wall alone. */
export class SetClock extends Clock {
  wall = Date.parse('2026-11-25T12:00:00Z');
  passed = 0;
  override now(): number {
    return this.wall;
  }
  override elapsed(): number {
    return this.passed;
  }
  override random(): number {
    return 0.5;
  }
  override wait(): Promise<void> {
    return Promise.resolve();
  }
  pass(ms: number): void {
    this.wall += ms;
    this.passed += ms;
  }
}
