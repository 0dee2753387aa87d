/** A tool of the lab (QEMU, mmdebstrap, mke2fs, ssh) failed; the message names it and its last words. */
export class LabError extends Error {
  override readonly name: string = 'LabError';
}

/** A command in a guest ended with a code other than 0. */
export class VmCommandError extends LabError {
  override readonly name = 'VmCommandError';

  constructor(
    readonly vm: string,
    readonly command: string,
    readonly result: { code: number; stdout: string; stderr: string },
  ) {
    const words = (result.stderr || result.stdout).trim().slice(-2000);
    super(`${vm}: \`${command.slice(0, 300)}\` ended with ${result.code}: ${words}`);
  }
}

/** A command or a state of a guest did not come within its deadline. */
export class VmTimeoutError extends LabError {
  override readonly name = 'VmTimeoutError';
}
