import { Body, Controller, Headers, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import type { NodeView } from '#contracts';
import { actor } from '../auth/caller.js';
import { NeedsToWrite } from '../auth/needs.decorator.js';
import { NamePipe, parseIfMatch } from '../http/index.js';
import { NameField } from '../http/name-field.js';
import { NodeLifeService } from './node-life.service.js';
import { NodeViews } from '../reports/node.view.js';

/** Body of `POST /nodes/{name}/rename`. */
export class RenameBody {
  @ApiProperty({ description: 'the name that it has from now on' })
  @NameField()
  to: string;
}

/** Which machine a name means. */
@ApiTags('nodes')
@Controller('v1/nodes')
export class NodeLifeController {
  constructor(
    private readonly life: NodeLifeService,
    private readonly views: NodeViews,
  ) {}

  @Post(':name/rename')
  @NeedsToWrite('node', 'nodes:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Give a host another name; its identity stays' })
  async rename(
    @Param('name', NamePipe) name: string,
    @Body() { to }: RenameBody,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<NodeView> {
    await this.life.rename({ name, by: actor(), expected: parseIfMatch(ifMatch) }, to);
    return this.views.of(to);
  }

  @Post(':name/replace')
  @NeedsToWrite('node', 'nodes:write')
  @HttpCode(200)
  @ApiOperation({
    summary: 'End the identity of the machine of this name; name and labels wait for the next one',
  })
  async replace(
    @Param('name', NamePipe) name: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<NodeView> {
    await this.life.replace({ name, by: actor(), expected: parseIfMatch(ifMatch) });
    return this.views.of(name);
  }
}
