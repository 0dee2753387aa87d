/** Names that are another file to each process, and what they lead to, of every process. */
const ALL_PROCESSES: Readonly<Record<string, string>> = {
  'proc/self': '/proc/*',
  'proc/thread-self': '/proc/*/task/*',
  'proc/mounts': '/proc/*/mounts',
  'proc/net': '/proc/*/net',
  'dev/fd': '/proc/*/fd',
};
const OF_EACH_PROCESS = new RegExp(`^/(${Object.keys(ALL_PROCESSES).join('|')})(?=/|$)`);

/** Why a rule on one of these names is in force for nobody: the kernel judges none by such a name. Undefined: none is. */
export function ofEachProcess(
  named: readonly string[],
  resolve: (path: string) => readonly string[],
): string | undefined {
  const seen = named.map((path) => resolve(path).at(-1) ?? path);
  const own = seen.find((path) => OF_EACH_PROCESS.test(path));
  if (own === undefined) return undefined;
  const all = own.replace(OF_EACH_PROCESS, (_own, name: string) => ALL_PROCESSES[name] ?? '');
  const pattern = all.endsWith('/') ? `${all}**` : all;
  return `${own} is another file to each process: name them all by matchPatterns, ${pattern}`;
}
