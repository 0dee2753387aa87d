import { stderr } from 'node:process';
import { ControlPlane, type Told } from './control-plane.js';
import { loadContext } from './context.js';

let chosen: string | undefined;

/** Names the context for the command that runs; set once, by the global option `--context`. */
export function chooseContext(name: string | undefined): void {
  chosen = name;
}

/** The context that was named for this command, if one was. */
export function chosenContext(): string | undefined {
  return chosen;
}

/** Runs a command's work with a client made from the context in force, and closes it whatever happens. */
export async function withControlPlane<T>(
  work: (controlPlane: ControlPlane) => Promise<T>,
): Promise<T> {
  const controlPlane = new ControlPlane(await loadContext(chosen), tellOnce());
  try {
    return await work(controlPlane);
  } finally {
    controlPlane.close();
  }
}

/** A command asks more than once; what it says of one answer holds for all. */
function tellOnce(): Told {
  let told = false;
  return {
    stale: (why) => {
      if (told) return;
      told = true;
      stderr.write(`warning: this may be older than what is in force: ${why}\n`);
    },
    busy: (why, waitMs) => {
      const seconds = Math.ceil(waitMs / 1_000);
      stderr.write(`the control plane is busy (${why}): asking again in ${seconds} s\n`);
    },
  };
}
