/** What node-ssh hands through of ssh2, which comes without types. */
declare module 'ssh2' {
  import type { Duplex, Readable } from 'node:stream';

  export interface Prompt {
    readonly prompt: string;
    readonly echo?: boolean;
  }

  export interface ConnectConfig {
    sock?: Duplex;
    username: string;
    privateKey?: string;
    agent?: string;
    password?: string;
    readyTimeout?: number;
    keepaliveInterval?: number;
    keepaliveCountMax?: number;
    algorithms?: { serverHostKey?: string[] };
    hostVerifier?: (key: Buffer, verify: (holds: boolean) => void) => void;
  }

  export type ExecOptions = Readonly<Record<string, never>>;

  export interface Channel extends Duplex {
    readonly stderr: Readable;
  }
  export type ClientChannel = Channel;

  namespace SSH2 {
    interface Client {
      on(event: 'error', listener: (error: Error) => void): this;
      on(event: 'close', listener: () => void): this;
      end(): this;
      destroy(): this;
    }
  }
  export default SSH2;
}
