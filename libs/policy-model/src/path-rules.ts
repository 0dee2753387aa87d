import type {
  Attributes,
  FileDirectory,
  FilePath,
  FilePattern,
  FileSection,
  ProcessPath,
  ProcessSection,
  Source,
} from './kinds.js';
import type { PathMatch, RuleObject } from './rule.js';
import { directoryOf, shortestPath } from './shortest-path.js';

/** A rule before inheritance: what stands at one place of the document. */
export interface Item {
  readonly id: string;
  readonly attributes: Attributes;
  readonly object: RuleObject;
  readonly sources?: readonly Source[];
  readonly ownerOnly?: boolean;
  readonly readOnly?: boolean;
  readonly pts?: boolean;
  readonly allowedArgs?: readonly string[];
}

/** Items of the process section. An entry with neither path nor execname names nothing and gives no rule. */
export function processRules(section: ProcessSection | undefined): readonly Item[] {
  const paths = (section?.matchPaths ?? []).flatMap((entry, index) => {
    const match = programMatch(entry);
    return match === undefined ? [] : [item('process', `matchPaths/${index}`, entry, match)];
  });
  return [...paths, ...spans('process', section)];
}

/** Items of the file section. */
export function filePathRules(section: FileSection | undefined): readonly Item[] {
  const paths = (section?.matchPaths ?? []).map((entry, index) =>
    item('file', `matchPaths/${index}`, entry, { type: 'path', path: shortestPath(entry.path) }),
  );
  return [...paths, ...spans('file', section)];
}

/** Where both are given execname wins, as on both of KubeArmor's enforcers. */
function programMatch({ path, execname }: ProcessPath): PathMatch | undefined {
  if (execname !== undefined) return { type: 'execname', name: execname };
  return path === undefined ? undefined : { type: 'path', path: shortestPath(path) };
}

function spans(
  kind: 'process' | 'file',
  section: FileSection | ProcessSection | undefined,
): readonly Item[] {
  const directories = (section?.matchDirectories ?? []).map((entry, index) =>
    item(kind, `matchDirectories/${index}`, entry, {
      type: 'directory',
      dir: directoryOf(entry.dir),
      recursive: entry.recursive ?? false,
    }),
  );
  const patterns = (section?.matchPatterns ?? []).map((entry, index) =>
    item(kind, `matchPatterns/${index}`, entry, { type: 'pattern', pattern: entry.pattern }),
  );
  return [...directories, ...patterns];
}

function item(
  kind: 'process' | 'file',
  place: string,
  entry: Partial<FilePath & ProcessPath & FileDirectory & FilePattern>,
  match: PathMatch,
): Item {
  const { fromSource, ownerOnly, readOnly, pts, allowedArgs } = entry;
  return {
    id: `${kind}/${place}`,
    attributes: entry,
    object: { kind, match },
    sources: fromSource,
    ownerOnly,
    readOnly,
    pts,
    allowedArgs,
  };
}
