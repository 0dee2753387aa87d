import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeView } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { ProblemAnswer } from '../client/problem-answer.js';
import { messageOf } from '../output/errors.js';
import { enrolAgent, joinTokenFor, writeAgentConfig, type LocalAgent } from './local-agent.js';
import { until } from './wait.js';

/** What the start of this machine's agent takes of the `up` that it belongs to. */
export interface AgentStart {
  readonly controlPlane: Pick<ControlPlane, 'call'>;
  /** Without a token nothing can be asked: an enrolled agent needs none, and runs all the same. */
  readonly knowsToken: boolean;
  /** Runs the agent by its configuration file. */
  readonly run: (config: string) => Promise<void>;
  readonly reportsWithinMs: number;
  /** Ends the start in its middle. */
  readonly signal: AbortSignal;
}

const RESET = '`./hostward down`, then `up --reset-admin-token`, or set HOSTWARD_TOKEN';

/**
 * Starts this machine's agent, which enrols first where it has no identity. Answers what is not well about it, which
 * ends no `up`; undefined where it is well, or where nobody can be asked.
 */
export async function startLocalAgent(
  agent: LocalAgent,
  start: AgentStart,
): Promise<string | undefined> {
  const config = await writeAgentConfig(agent);
  if (!(await isEnrolled(agent))) {
    const why = await enrol(agent, config, start);
    if (why !== undefined) return why;
  }
  const startedAt = Date.now();
  await start.run(config);
  return start.knowsToken ? whyItDoesNotReport(agent.name, startedAt, start) : undefined;
}

function isEnrolled({ dir }: LocalAgent): Promise<boolean> {
  return access(join(dir, 'state', 'trust', 'node-id')).then(
    () => true,
    () => false,
  );
}

/** Why it could not, where that is the control plane's word. */
async function enrol(
  agent: LocalAgent,
  config: string,
  { controlPlane, knowsToken }: AgentStart,
): Promise<string | undefined> {
  if (!knowsToken)
    return `agent: this machine has not joined, so it runs none: its token is not known here: ${RESET}`;
  try {
    if (await isTaken(controlPlane, agent.name))
      return (
        `agent: this machine was host ${agent.name}, whose keys are not in this folder any more (a restore brings none), ` +
        `so it runs no agent: hostward node offboard ${agent.name}, then up again`
      );
    await enrolAgent(agent, config, await joinTokenFor(controlPlane));
    return undefined;
  } catch (error) {
    if (!(error instanceof ProblemAnswer)) throw error;
    const remedy = isRefusal(error) ? RESET : 'then up again';
    return `agent: this machine has not joined, so it runs none: ${error.message}: ${remedy}`;
  }
}

/** Whether a host has enrolled under this name. */
async function isTaken(controlPlane: AgentStart['controlPlane'], name: string): Promise<boolean> {
  try {
    return (await nodeOf(controlPlane, name)).nodeId !== undefined;
  } catch (error) {
    if (error instanceof ProblemAnswer && error.status === 404) return false;
    throw error;
  }
}

async function whyItDoesNotReport(
  name: string,
  startedAt: number,
  { controlPlane, reportsWithinMs, signal }: AgentStart,
): Promise<string | undefined> {
  let refusal: string | undefined;
  const look = async (): Promise<void> => {
    try {
      const { asOf } = await nodeOf(controlPlane, name);
      if (asOf === undefined || Date.parse(asOf) < startedAt)
        throw new Error(`host ${name} has not reported since its agent started`);
    } catch (error) {
      // To be asked again changes nothing of it.
      if (!isRefusal(error)) throw error;
      refusal = error.message;
    }
  };
  try {
    await until(look, AbortSignal.any([AbortSignal.timeout(reportsWithinMs), signal]));
  } catch (error) {
    signal.throwIfAborted();
    return `agent: ${messageOf(error)}; see agent.log in the data folder`;
  }
  if (refusal === undefined) return undefined;
  return `agent: it runs; whether it reports is not told to this token (${refusal}): ${RESET}`;
}

function nodeOf(controlPlane: AgentStart['controlPlane'], name: string): Promise<NodeView> {
  return controlPlane.call<NodeView>(`/v1/nodes/${encodeURIComponent(name)}`);
}

/** Whether the control plane does not take the token, or not for this. */
function isRefusal(error: unknown): error is ProblemAnswer {
  return error instanceof ProblemAnswer && (error.status === 401 || error.status === 403);
}
