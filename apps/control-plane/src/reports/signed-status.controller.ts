import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Page, SignedStatusView } from '#contracts';
import { Needs, NeedsToRead } from '../auth/needs.decorator.js';
import { Fleet } from '../store/fleet.js';
import type { FleetState } from '../store/fleet-state.js';
import { NamePipe, PageQuery, notFound, pageOf } from '../http/index.js';
import { SignedStatusSource } from '../store/held-heads.js';
import { ReportCache } from './report-cache.js';

/**
 * What hosts say of themselves, as they signed it: stored and served as it came, since whoever wants to know without
 * trusting us verifies it by the host's node id.
 */
@ApiTags('nodes')
@Controller('v1')
export class SignedStatusController {
  constructor(
    private readonly fleet: Fleet,
    private readonly cache: ReportCache,
    private readonly signedStatuses: SignedStatusSource,
  ) {}

  @Get('nodes/:name/signed-status')
  @NeedsToRead('node')
  @ApiOperation({ summary: 'What the host says of itself, signed with its own key (DSSE)' })
  async one(@Param('name', NamePipe) name: string): Promise<SignedStatusView> {
    const asked = this.#viewOf(name, this.fleet.read());
    const [view] = asked ? await this.#withSignedStatuses([asked]) : [];
    if (view?.signedStatus === undefined) throw notFound('signed status of node', name);
    return view;
  }

  @Get('signed-statuses')
  @Needs('fleet:read')
  @ApiOperation({ summary: 'The same of all enrolled hosts, by name' })
  async all(@Query() query: PageQuery): Promise<Page<SignedStatusView>> {
    const state = this.fleet.read();
    const enrolled = state.nodes.sorted().flatMap(({ name }) => this.#viewOf(name, state) ?? []);
    const named = enrolled.map((view) => ({ name: view.node, view }));
    const page = pageOf(named, query, state.revision.toString(), ({ view }) => view);
    return { ...page, items: await this.#withSignedStatuses(page.items) };
  }

  async #withSignedStatuses(
    views: readonly SignedStatusView[],
  ): Promise<readonly SignedStatusView[]> {
    const signedStatuses = await this.signedStatuses.of(views.map(({ nodeId }) => nodeId));
    return views.map((view) => ({ ...view, signedStatus: signedStatuses.get(view.nodeId) }));
  }

  #viewOf(node: string, state: FleetState): SignedStatusView | undefined {
    const enrollment = state.nodes.get(node)?.record.enrollment;
    if (!enrollment) return undefined;
    const { nodeId, signingKey: key } = enrollment;
    const held = this.cache.get(nodeId);
    const receivedAt = held && new Date(held.receivedAtMs).toISOString();
    return { node, nodeId, key, receivedAt };
  }
}
