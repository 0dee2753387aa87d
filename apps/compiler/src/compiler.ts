import { InvalidPolicyError, type RuleSet, signedRuleSet } from '#policy-model';
import { encodeFrame, type Field, type Frame, MSG, ProtocolError, TAG, textField } from '#sensor';
import { compiledFields, wordFields } from './answer.js';
import { compilePolicies, OutOfTimeError, ParserFailedError } from './compile-policies.js';
import { lookAtHost } from './host-facts.js';
import type { ServiceOptions } from './options.js';
import { readTrust, TrustError } from './trust.js';
import { RejectedError, type VerifiedRequest, verifyRequest } from './verify-request.js';
import { readOwnersWord, VetoError } from './veto.js';
import { Watchdog } from './watchdog.js';
import { wordsOf } from './words-of.js';

const NO_RULES: RuleSet = { policies: [] };

/** Of the time for which an answer is waited for; the rest is for this process to start, and for the answer. */
const SHARE = 0.75;

/** Answers COMPILE frames. Stateless: trust files and host are read anew each time. */
export class Compiler {
  constructor(
    private readonly options: Omit<ServiceOptions, 'mode' | 'socket' | 'idleMs'>,
    /** The host's clock, ms since 1970; it may be wrong. */
    private readonly clock: () => number = Date.now,
  ) {}

  /**
   * The frame to send back: COMPILED or REJECTED, which has the word of an assignment that was verified, whatever keeps its
   * rules from being compiled: break-glass is for then too. @throws ProtocolError for any other frame than COMPILE
   */
  async answer(frame: Frame): Promise<Uint8Array> {
    if (frame.type !== MSG.COMPILE)
      throw new ProtocolError(`message ${frame.type} is not for the compiler`);
    const waitedMs = this.waitedMs(frame);
    // What cannot be interrupted goes on until nobody waits any more, and not into the time of the next question.
    await using _watchdog = new Watchdog(waitedMs);
    const deadlineMs = Date.now() + SHARE * waitedMs;
    let word: readonly Field[] = [];
    try {
      const trust = await readTrust(this.options.trustDir, this.options.sealingKeyFile);
      const verified = await verifyRequest(frame.fields, trust, this.clock());
      word = wordFields(verified.assignment);
      return await this.compile(frame, verified, deadlineMs);
    } catch (error) {
      const { code, message } = refusalOf(error);
      return encodeFrame(MSG.REJECTED, frame.request, [
        textField(TAG.CODE, code),
        textField(TAG.MESSAGE, message),
        ...word,
      ]);
    }
  }

  private waitedMs({ fields }: Frame): number {
    return Number(fields.number(TAG.TIME_LIMIT) ?? this.options.compileTimeoutMs / SHARE);
  }

  private async compile(
    { fields, request }: Frame,
    verified: VerifiedRequest,
    deadlineMs: number,
  ): Promise<Uint8Array> {
    const owner = await readOwnersWord(this.options.configFile);
    const { veto, enforcer, onOpenDescriptors, controlPlane } = owner;
    // The agent takes assignments itself then, and asks nobody; what was in force from before must not stay.
    const ruleSet = enforcer === 'observe' ? NO_RULES : signedRuleSet(verified.policies);
    const wish = { enforcer, bpfLsm: fields.number(TAG.BPF_LSM) === 1n };
    const loaded = fields.texts(TAG.LOADED_NAME);
    const found = await lookAtHost(this.options.host, loaded, deadlineMs, wish);
    const { authors, nowMs } = verified;
    const names = controlPlane === undefined ? [] : [controlPlane];
    const controlPath = { ...found.capabilities.controlPath, names };
    const known = { veto, authors, nowMs, controlPath };
    const host = { ...found, capabilities: { ...found.capabilities, ...known } };
    const compiled = await compilePolicies(ruleSet, host, deadlineMs);
    const { enforcerReason, links } = found;
    const word = { onOpenDescriptors, enforcerReason, links: links() };
    return encodeFrame(MSG.COMPILED, request, compiledFields(verified, ruleSet, compiled, word));
  }
}

function refusalOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof RejectedError) return error;
  if (error instanceof InvalidPolicyError)
    return { code: 'policy-invalid', message: error.message };
  if (error instanceof TrustError) return { code: 'not-enrolled', message: error.message };
  if (error instanceof VetoError) return { code: 'config-invalid', message: error.message };
  if (error instanceof OutOfTimeError) return { code: 'compiler-timeout', message: error.message };
  if (error instanceof ParserFailedError) return { code: 'parser-failed', message: error.message };
  if (error instanceof ProtocolError) return { code: 'too-large', message: error.message };
  return { code: 'internal', message: wordsOf(error) };
}
