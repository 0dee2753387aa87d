import { HostLink } from '#redis';

/** The agent's own link to Redis, which also tells when a state was taken. */
export class ToldLink extends HostLink {
  /** Called after Redis has taken a state. */
  onWritten: () => void = () => undefined;

  override async writeState(sealed: Uint8Array, statement?: Uint8Array): Promise<boolean> {
    const isStated = await super.writeState(sealed, statement);
    this.onWritten();
    return isStated;
  }
}
