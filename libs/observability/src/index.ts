export { Log, LOG_LEVELS, describeError } from './log.js';
export type { LogFields, LogLevel, LogOptions } from './log.js';
export { NestLogger } from './nest-logger.js';
export { metricNames } from './metric-names.js';
export type { MetricName } from './metric-names.js';
