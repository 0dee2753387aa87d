import { encodeFrame, type Frame, MSG, ProtocolError, TAG, textField } from '#sensor';
import { compiledFields } from './answer.js';
import { compilePolicies, ParserFailedError } from './compile-policies.js';
import { lookAtHost } from './host-facts.js';
import type { ServiceOptions } from './options.js';
import { readTrust, TrustError } from './trust.js';
import { RejectedError, verifyRequest } from './verify-request.js';
import { readOwnersWord, VetoError } from './veto.js';
import { Watchdog } from './watchdog.js';
import { wordsOf } from './words-of.js';

/** Time for what cannot be interrupted, after which the process is ended. */
const GRACE_MS = 10_000;

/** Answers COMPILE frames. Stateless: trust files and host are read anew each time. */
export class Compiler {
  constructor(
    private readonly options: Omit<ServiceOptions, 'mode' | 'socket' | 'idleMs'>,
    /** The host's clock, ms since 1970; it may be wrong. */
    private readonly clock: () => number = Date.now,
  ) {}

  /** The frame to send back: COMPILED or REJECTED. @throws ProtocolError for any other frame than COMPILE */
  async answer(frame: Frame): Promise<Uint8Array> {
    if (frame.type !== MSG.COMPILE)
      throw new ProtocolError(`message ${frame.type} is not for the compiler`);
    await using _watchdog = new Watchdog(this.options.compileTimeoutMs + GRACE_MS);
    try {
      return await this.compile(frame);
    } catch (error) {
      const { code, message } = refusalOf(error);
      return encodeFrame(MSG.REJECTED, frame.request, [
        textField(TAG.CODE, code),
        textField(TAG.MESSAGE, message),
      ]);
    }
  }

  private async compile({ fields, request }: Frame): Promise<Uint8Array> {
    const deadlineMs = Date.now() + this.options.compileTimeoutMs;
    const trust = await readTrust(this.options.trustDir, this.options.sealingKeyFile);
    const owner = await readOwnersWord(this.options.configFile);
    const { veto, enforcer, onOpenDescriptors, controlPlane } = owner;
    const verified = await verifyRequest(fields, trust, this.clock());
    const wish = { enforcer, bpfLsm: fields.number(TAG.BPF_LSM) === 1n };
    const loaded = fields.texts(TAG.LOADED_NAME);
    const found = await lookAtHost(this.options.host, loaded, deadlineMs, wish);
    const { authors, nowMs } = verified;
    const names = controlPlane === undefined ? [] : [controlPlane];
    const controlPath = { ...found.capabilities.controlPath, names };
    const known = { veto, authors, nowMs, controlPath };
    const host = { ...found, capabilities: { ...found.capabilities, ...known } };
    const compiled = await compilePolicies(verified.ruleSet, host, deadlineMs);
    const word = { onOpenDescriptors, enforcerReason: found.enforcerReason };
    return encodeFrame(MSG.COMPILED, request, compiledFields(verified, compiled, word));
  }
}

function refusalOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof RejectedError) return error;
  if (error instanceof TrustError) return { code: 'not-enrolled', message: error.message };
  if (error instanceof VetoError) return { code: 'config-invalid', message: error.message };
  if (error instanceof ParserFailedError) return { code: 'parser-failed', message: error.message };
  if (error instanceof ProtocolError) return { code: 'too-large', message: error.message };
  return { code: 'internal', message: wordsOf(error) };
}
