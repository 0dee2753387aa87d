import type { EnrollResponse } from '#contracts';

type Endpoint = Omit<EnrollResponse['redis'], 'username'>;

/** Where hosts reach Redis; told to them when they enrol. Each logs in as a user of its own. */
export class AgentEndpoint implements Endpoint {
  readonly host?: string;
  readonly port: number;
  readonly others?: Endpoint['others'];
  readonly events?: Endpoint['events'];

  constructor({ host, port, others, events }: Endpoint) {
    this.host = host;
    this.port = port;
    this.others = others;
    this.events = events;
  }
}
