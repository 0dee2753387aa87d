import { HostLink, type StateWrite } from '#redis';

/** The agent's own link to Redis, which also tells when a state was taken. */
export class ToldLink extends HostLink {
  /** Called after Redis has taken a state. */
  onWritten: () => void = () => undefined;

  override async writeState(sealed: Uint8Array, write?: StateWrite): Promise<boolean> {
    const isStated = await super.writeState(sealed, write);
    this.onWritten();
    return isStated;
  }
}
