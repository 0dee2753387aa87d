import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { plainToInstance, Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsObject,
  IsUrl,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
  ValidateNested,
  validateSync,
  type ValidationError,
} from 'class-validator';
import { parse } from 'yaml';
import { type Veto, vetoProblem } from '#policy-compiler';
import { errorCode, errorMessage } from './error-facts.js';

const MAX_CONFIG_BYTES = 64 * 1024;
const ABSOLUTE_PATH = /^\/[^\0]*$/;

class ControlPlaneConfig {
  @IsUrl(
    { protocols: ['https'], require_protocol: true, require_tld: false },
    { message: 'must be an https URL' },
  )
  url: string;

  /** sha256 of the CA certificate's DER, hex; colons and capitals are taken, as openssl prints them. */
  @Matches(/^(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/, {
    message: 'must be the sha256 fingerprint of the CA: 64 hex digits, as `hostward up` prints it',
  })
  caFingerprint: string;
}

class SpoolConfig {
  @IsInt({ message: 'must be a whole number of bytes' })
  @Min(1024 * 1024, { message: 'must be at least 1048576 (1 MiB)' })
  @Max(64 * 1024 ** 3, { message: 'must be at most 68719476736 (64 GiB)' })
  maxBytes: number = 64 * 1024 * 1024;
}

class SignedStatusConfig {
  @IsInt({ message: 'must be a whole number of seconds' })
  @Min(1, { message: 'must be at least 1' })
  @Max(3600, { message: 'must be at most 3600' })
  minSeconds: number = 10;

  @IsInt({ message: 'must be a whole number of seconds' })
  @Min(10, { message: 'must be at least 10' })
  @Max(86_400, { message: 'must be at most 86400 (a day)' })
  everySeconds: number = 240;
}

/** /etc/hostward/agent.yaml after strict validation: unknown keys are refused, what is absent has its default. */
export class AgentConfig {
  @IsObject({ message: 'is required: a mapping with url and caFingerprint' })
  @ValidateNested()
  @Type(() => ControlPlaneConfig)
  controlPlane: ControlPlaneConfig;

  @IsIn(['auto', 'apparmor', 'bpf', 'observe'], {
    message: 'must be one of auto, apparmor, bpf, observe',
  })
  enforcer: 'auto' | 'apparmor' | 'bpf' | 'observe' = 'auto';

  /** What becomes of processes that have open what a new rule refuses: BPF alone finds them. */
  @IsIn(['report', 'kill'], { message: 'must be one of report, kill' })
  onOpenDescriptors: 'report' | 'kill' = 'report';

  /** What this host's owner does not take: names of policies, or classes of rules; these are `refused`. */
  @ValidateBy({
    name: 'veto',
    validator: {
      validate: (value: unknown) => vetoProblem(value) === undefined,
      defaultMessage: (problem) => vetoProblem(problem?.value) ?? '',
    },
  })
  veto: Veto[] = [];

  @IsObject({ message: 'must be a mapping with maxBytes' })
  @ValidateNested()
  @Type(() => SpoolConfig)
  spool: SpoolConfig = new SpoolConfig();

  /** How often the host signs its state: not more often than minSeconds at changes, else about every everySeconds. */
  @IsObject({ message: 'must be a mapping with minSeconds and everySeconds' })
  @ValidateNested()
  @Type(() => SignedStatusConfig)
  signedStatus: SignedStatusConfig = new SignedStatusConfig();

  @Matches(ABSOLUTE_PATH, { message: 'must be an absolute path' })
  stateDir: string = '/var/lib/hostward';

  @Matches(ABSOLUTE_PATH, { message: 'must be an absolute path' })
  @MaxLength(107, { message: 'must have at most 107 characters, the bound of a Unix socket' })
  sensorSocket: string = '/run/hostward/sensor.sock';
}

/** The configuration cannot be used; the message names file, key, value and rule, one line each. */
export class ConfigRefused extends Error {
  override readonly name = 'ConfigRefused';
  constructor(
    readonly file: string,
    readonly problems: readonly string[],
  ) {
    super(`${file} is refused:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

/** Reads and validates the file once; throws ConfigRefused with every problem of it. */
export function loadConfig(file: string): AgentConfig {
  return parseConfig(readText(file), file);
}

/** Validates the text of an agent.yaml; `file` is only named in errors. */
export function parseConfig(text: string, file: string): AgentConfig {
  const config = plainToInstance(AgentConfig, toMapping(text, file));
  const errors = validateSync(config, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
  });
  if (errors.length > 0) throw new ConfigRefused(file, problemsOf(errors, ''));
  return config;
}

function readText(file: string): string {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MAX_CONFIG_BYTES)
      throw new Error(`it has ${bytes.length} bytes, at most ${MAX_CONFIG_BYTES} are read`);
    return bytes.toString('utf8');
  } catch (cause) {
    const remedy =
      errorCode(cause) === 'ENOENT'
        ? '; write controlPlane.url and controlPlane.caFingerprint into it'
        : '';
    throw new ConfigRefused(file, [`cannot be read: ${errorMessage(cause)}${remedy}`]);
  }
}

function toMapping(text: string, file: string): object {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0, uniqueKeys: true });
  } catch (cause) {
    throw new ConfigRefused(file, [`is not YAML: ${errorMessage(cause)}`]);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new ConfigRefused(file, ['must be a mapping with the key controlPlane']);
}

function problemsOf(errors: readonly ValidationError[], prefix: string): string[] {
  return errors.flatMap((error) => {
    const key = `${prefix}${error.property}`;
    const own = Object.entries(error.constraints ?? {}).map(
      ([kind, rule]) =>
        `${key} = ${shown(error.value)}: ${kind === 'whitelistValidation' ? 'is not a key of agent.yaml' : rule}`,
    );
    return [...own, ...problemsOf(error.children ?? [], `${key}.`)];
  });
}

function shown(value: unknown): string {
  const text = value === undefined ? '(absent)' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
