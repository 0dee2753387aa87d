import type { EnrollResponse } from '#contracts';

type Endpoint = Omit<EnrollResponse['redis'], 'username'>;

/** Where hosts reach Redis; told to them when they enrol. Each logs in as a user of its own. */
export class AgentEndpoint implements Endpoint {
  readonly host?: string;
  readonly port: number;
  readonly events?: Endpoint['events'];

  constructor({ host, port, events }: Endpoint) {
    this.host = host;
    this.port = port;
    this.events = events;
  }
}
