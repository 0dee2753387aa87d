import { Body, Controller, Header, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsIn, IsInt, IsObject, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  HOST_ENFORCERS,
  INSTALL_SCRIPT_FORMATS,
  hostPackage,
  type HostEnforcer,
  type HostPackage,
  type InstallScriptFormat,
  type InstallScriptRequest,
} from '#contracts';
import { fingerprint } from '#pki';
import { NeedsToWrite } from '../auth/needs.decorator.js';
import { Authorities } from '../certificates/authorities.js';
import { NamePipe, invalidField, conflict } from '../http/index.js';
import { JoinTokenMaker } from './join-token.maker.js';
import { cloudInit, installScript } from './install-script.js';
import { PackageFolder } from './package-folder.js';
import { releaseOf } from './package.controller.js';

const HOUR_MS = 3_600_000;

/** Body of `POST /nodes/{name}/install-script`. */
export class InstallScriptBody implements InstallScriptRequest {
  @ApiPropertyOptional({ enum: INSTALL_SCRIPT_FORMATS, default: 'sh' })
  @IsOptional()
  @IsIn(INSTALL_SCRIPT_FORMATS)
  format: InstallScriptFormat = 'sh';

  @ApiPropertyOptional({ description: 'how the host reaches the control plane' })
  @IsOptional()
  @IsString()
  @MaxLength(300)
  url?: string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  @IsOptional()
  @IsObject()
  labels: Record<string, string> = {};

  @ApiPropertyOptional({
    enum: HOST_ENFORCERS,
    description:
      'absent: as a configuration says that the host has, else auto; where such a one says otherwise, the script ends',
  })
  @IsOptional()
  @IsIn(HOST_ENFORCERS)
  enforcer?: HostEnforcer;

  @ApiPropertyOptional({ minimum: 60_000, maximum: 24 * HOUR_MS, default: HOUR_MS })
  @IsOptional()
  @IsInt()
  @Min(60_000)
  @Max(24 * HOUR_MS)
  ttlMs: number = HOUR_MS;
}

/** Scripts by which a host joins without ssh from here. */
@ApiTags('nodes')
@Controller('v1/nodes')
export class InstallScriptController {
  constructor(
    private readonly folder: PackageFolder,
    private readonly authorities: Authorities,
    private readonly tokens: JoinTokenMaker,
  ) {}

  @Post(':name/install-script')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @NeedsToWrite('node', 'join-tokens:write')
  @ApiOperation({ summary: 'A script, with a join token of one use, by which a host joins' })
  async create(
    @Param('name', NamePipe) name: string,
    @Body() body: InstallScriptBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const url = checkedUrl(body.url ?? `https://${request.headers.host ?? ''}`);
    const { releaseKey, packages } = await this.#offered();
    const { labels, ttlMs, enforcer, format } = body;
    const bounds = { node: name, uses: 1, cidrs: [], groups: [] };
    const made = await this.tokens.make({ labels, ttlMs, ...bounds });
    const script = installScript({
      ...{ name, url, enforcer, releaseKey, packages },
      caFingerprint: fingerprint(this.authorities.issuing.certificatePem),
      token: made.token ?? '',
      expiresAt: made.expiresAt,
    });
    void reply.type(format === 'sh' ? 'text/x-shellscript' : 'text/cloud-config');
    return format === 'sh' ? script : cloudInit(script);
  }

  async #offered(): Promise<{ releaseKey: string; packages: readonly HostPackage[] }> {
    const release = await releaseOf(this.folder);
    const offered = (release?.packages ?? []).map(({ file, sha256 }) => hostPackage(file, sha256));
    const packages = offered.filter((each) => each !== undefined);
    if (release !== undefined && packages.length > 0)
      return { releaseKey: release.releaseKey, packages };
    const remedy =
      'make them by `hostward package`, and name their folder by `up --packages DIR`, or without `up` by packagesDir in control-plane.yaml';
    throw conflict('packages', undefined, 'are lacking: none for hosts is here', remedy);
  }
}

const HOST = /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)$/;

/** An https URL of a host and nothing else; throws 400. */
function checkedUrl(text: string): string {
  const url = URL.parse(text);
  const bare = url && url.pathname === '/' && url.search === '' && url.hash === '';
  const named = bare && url.username === '' && url.password === '' && HOST.test(url.hostname);
  if (named && url.protocol === 'https:') return url.origin;
  throw invalidField('url', text, 'is not where a host can reach us', 'use https://HOST:PORT');
}
