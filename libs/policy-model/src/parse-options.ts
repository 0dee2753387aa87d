import type { Diagnostic } from './diagnostic.js';
import type { Document, LabelSelector } from './kinds.js';

/** `crd`: exactly what KubeArmor's CRD accepts. `lenient`: what its users write, corrected with warnings. */
export type Mode = 'crd' | 'lenient';

export type DefaultSelector = LabelSelector | 'all-hosts';

export interface ParseOptions {
  /** Name shown in diagnostics. */
  readonly file?: string;
  readonly mode?: Mode;
  readonly format?: 'yaml' | 'json';
  /** Given to host policies that have no selector or an empty one. */
  readonly defaultSelector?: DefaultSelector;
}

export interface ParsedDocument {
  readonly index: number;
  /** As written; empty where it cannot be read. */
  readonly kind: string;
  readonly name: string;
  /** Absent if there is an error among the diagnostics. */
  readonly document?: Document;
  readonly diagnostics: readonly Diagnostic[];
}

export interface ParsedText {
  readonly documents: readonly ParsedDocument[];
  /** All of them, in the order of the text, those of the text as a whole first. */
  readonly diagnostics: readonly Diagnostic[];
}
