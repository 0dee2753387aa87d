import { Controller, Get, Param } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Envelope } from '#contracts';
import { NeedsToRead } from '../auth/needs.decorator.js';
import { Deliveries } from './deliveries.js';
import { Fleet } from '../store/fleet.js';
import { NamePipe, ProblemError, conflict } from '../http/index.js';
import { findNode } from '../store/find-node.js';

/** What a host would get from Redis, for one that cannot reach it: ciphertext for that host alone, signed as ever. */
@ApiTags('nodes')
@Controller('v1/nodes')
export class NodeBundleController {
  constructor(
    private readonly fleet: Fleet,
    private readonly deliveries: Deliveries,
  ) {}

  @Get(':name/bundle')
  @NeedsToRead('node')
  @ApiOperation({ summary: 'The signed assignment of a host with its bundle, for `import` on it' })
  async bundle(@Param('name', NamePipe) name: string): Promise<Envelope> {
    const state = this.fleet.read();
    const enrollment = state.believed(findNode(state, name).record);
    if (!enrollment)
      throw conflict(
        'node',
        name,
        'has no identity that counts: no machine has enrolled as it, or it is revoked',
        `\`hostward status node ${name}\` says which; \`hostward create join-token\` lets a machine in`,
      );
    const channel = this.deliveries.channelOf(enrollment.nodeId);
    const [record] = (await channel?.records([enrollment.nodeId])) ?? [];
    const bundle = record && (await channel?.bundle(record.bundleDigest));
    if (record && bundle) return { v: 1, record, bundle: Buffer.from(bundle).toString('base64') };
    throw new ProblemError('unavailable', {
      detail: `nothing is written for host ${name} yet`,
      headers: { 'retry-after': '2' },
    });
  }
}
