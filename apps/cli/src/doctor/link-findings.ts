import { lookup } from 'node:dns/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { failed, fine, type Finding } from '#contracts';
import type { Context } from '../client/context.js';
import { certificateFinding, clockFinding } from './judge-link.js';
import { messageOf } from '../output/errors.js';

const ANSWER_MS = 5_000;

/** The way to the control plane, step by step; ends at the first that fails, since what follows would too. */
export async function linkFindings({ url, ca }: Context): Promise<readonly Finding[]> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const found: Finding[] = [];
  for (const step of [
    () => nameFinding(host),
    () => portFinding(host, Number(port || 443)),
    () => answerFindings(url, ca),
  ]) {
    found.push(...(await step()));
    if (found.some(({ verdict }) => verdict === 'failed')) return found;
  }
  return found;
}

async function nameFinding(host: string): Promise<readonly Finding[]> {
  const check = 'name-resolution';
  try {
    const { address } = await lookup(host);
    return [fine(check, `${host} is ${address}`)];
  } catch (error) {
    const remedy = `mend DNS (resolvectl query ${host}; /etc/resolv.conf), or /etc/hosts`;
    return [failed(check, `${host} has no address here: ${messageOf(error)}`, remedy)];
  }
}

function portFinding(host: string, port: number): Promise<readonly Finding[]> {
  const check = 'port';
  const remedy =
    'start the control plane (hostward up --detach; systemctl status hostward-control-plane), or open the way to it (firewall)';
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ANSWER_MS });
    const end = (finding: Finding): void => {
      socket.destroy();
      resolve([finding]);
    };
    socket.once('connect', () => end(fine(check, `${host} port ${port} answers`)));
    socket.once('timeout', () => end(failed(check, `port ${port} is silent`, remedy)));
    socket.once('error', (error) => end(failed(check, error.message, remedy)));
  });
}

/** What it shows as its certificate and says as its time; unverified at first, so that a wrong one can be told. */
function answerFindings(url: string, ca: string | undefined): Promise<readonly Finding[]> {
  return new Promise((resolve) => {
    const sent = request(
      `${url}/healthz`,
      { ca, rejectUnauthorized: false, agent: false, timeout: ANSWER_MS },
      (response) => {
        const socket = response.socket as TLSSocket;
        const notAfter = new Date(socket.getPeerCertificate().valid_to);
        const trouble = socket.authorized ? undefined : String(socket.authorizationError);
        response.resume();
        resolve([
          certificateFinding({ trouble, notAfter }, Date.now()),
          clockFinding(response.headers.date, Date.now()),
        ]);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS / 1_000} s`)));
    sent.on('error', (error) => {
      const remedy = 'is this the port of the control plane? see its log';
      resolve([failed('certificate', `no TLS there: ${error.message}`, remedy)]);
    });
    sent.end();
  });
}
