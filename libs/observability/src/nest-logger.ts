import type { LoggerService } from '@nestjs/common';
import type { Log, LogLevel } from './log.js';

/** Lets Nest's own lines come out as ours: its message in a field, since it is not constant. */
export class NestLogger implements LoggerService {
  constructor(private readonly log_: Log) {}

  log(message: unknown, ...rest: unknown[]): void {
    // Nest tells each mapped route at `log`: of use when debugging only.
    this.pass('debug', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.pass('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.pass('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.pass('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.pass('debug', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.pass('error', message, rest);
  }

  private pass(level: LogLevel, message: unknown, rest: unknown[]): void {
    const text = message instanceof Error ? message : String(message);
    this.log_.write(level, 'framework', { text, details: rest.map(String) });
  }
}
