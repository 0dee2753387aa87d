import { globProblem } from '#policy-compiler';
import { rulesOf, type HostPolicy } from '#policy-model';
import type { FieldError } from '#contracts';

/** Patterns of a policy that every host will call `failed`. Of one without its slash the document's check has told. */
export function unusablePatterns(policy: HostPolicy, index: number): readonly FieldError[] {
  return rulesOf(policy).flatMap(({ id, object }) => {
    if (object.kind !== 'process' && object.kind !== 'file') return [];
    if (object.match.type !== 'pattern' || !object.match.pattern.startsWith('/')) return [];
    const problem = globProblem(object.match.pattern);
    if (problem === undefined) return [];
    return [
      {
        field: `documents[${index}].spec.${id.replaceAll('/', '.')}`,
        value: object.match.pattern,
        message: `the pattern ${problem}; its state is failed on every host`,
        remedy: "write a glob in AppArmor's language",
      },
    ];
  });
}
