import type { ReadStream } from 'node:fs';
import { Controller, Get, Param, Req, StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { PackagesView } from '#contracts';
import { Public } from '../auth/public.decorator.js';
import { RateLimit } from '../http/rate-limit.js';
import { Clock } from '../http/clock.js';
import { ProblemError, notFound, conflict } from '../http/index.js';
import { peerOf, sourceOf } from './network.js';
import { PackageFolder, ReleaseDamaged, type Release } from './package-folder.js';

const WHY_OPEN = 'packages are no secret, and a host that fetches one has no identity yet';
/** Files that are being sent at the same time: each holds a descriptor and a buffer. */
const MAX_SENDING = 64;
/** Of a file that nobody reads on, no more than the buffers on the way hold leaves the disk. */
const STALLED_MS = 60_000;

/** The packages that hosts install. */
@ApiTags('packages')
@Controller('v1/packages')
export class PackageController {
  /** A network of hosts behind one address may fetch fifty packages at once, with what they are checked by. */
  readonly #limit = new RateLimit({ burst: 300, refillMs: 200, maxCallers: 10_000 });
  #sending = 0;

  constructor(
    private readonly folder: PackageFolder,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Public(WHY_OPEN)
  @ApiOperation({ summary: 'List the packages that a host may fetch' })
  async list(@Req() request: FastifyRequest): Promise<PackagesView> {
    this.#take(request);
    const release = await releaseOf(this.folder);
    return { items: release?.packages ?? [], releaseKey: release?.releaseKey };
  }

  @Get(':file')
  @Public(WHY_OPEN)
  @ApiOperation({ summary: 'A package, or SHA256SUMS, SHA256SUMS.sig, release.pub.pem' })
  async get(@Param('file') file: string, @Req() request: FastifyRequest): Promise<StreamableFile> {
    this.#take(request);
    if (this.#sending >= MAX_SENDING) throw busy(1);
    this.#sending++;
    try {
      return await this.#sent(file);
    } catch (error) {
      this.#sending--;
      throw error;
    }
  }

  async #sent(file: string): Promise<StreamableFile> {
    await releaseOf(this.folder);
    const found = await this.folder.open(file);
    if (found === undefined) throw notFound('package', file);
    const stream = found.handle.createReadStream();
    stream.once('close', () => this.#sending--);
    endWhenStalled(stream);
    return new StreamableFile(stream, { type: 'application/octet-stream', length: found.bytes });
  }

  #take(request: FastifyRequest): void {
    const waitMs = this.#limit.take(sourceOf(peerOf(request.ip)), this.clock.nowMs());
    if (waitMs > 0) throw busy(Math.ceil(waitMs / 1_000));
  }
}

/** As `PackageFolder.release`; a release that does not hold becomes 409 with the remedy. */
export async function releaseOf(folder: PackageFolder): Promise<Release | undefined> {
  try {
    return await folder.release();
  } catch (cause) {
    if (!(cause instanceof ReleaseDamaged)) throw cause;
    const remedy = 'make them anew by `hostward package`';
    throw conflict('packages', undefined, `are not whole: ${cause.message}`, remedy, cause);
  }
}

/** Else who asks and reads nothing holds a place for ever. Looks at what was read: a listener would set it flowing. */
function endWhenStalled(stream: ReadStream): void {
  let before = -1;
  const timer = setInterval(() => {
    if (stream.bytesRead === before) stream.destroy();
    before = stream.bytesRead;
  }, STALLED_MS);
  stream.once('close', () => clearInterval(timer));
}

function busy(seconds: number): ProblemError {
  return new ProblemError('too-many-requests', { headers: { 'retry-after': String(seconds) } });
}
