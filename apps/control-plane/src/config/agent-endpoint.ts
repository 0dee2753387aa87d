import type { EnrollResponse } from '#contracts';

type Redis = EnrollResponse['redis'];

/** How hosts reach Redis; told to them when they enrol. In this version all hosts share one user. */
export class AgentEndpoint implements Redis {
  readonly host?: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;

  constructor({ host, port, username, password }: Redis) {
    this.host = host;
    this.port = port;
    this.username = username;
    this.password = password;
  }
}
