import { Body, Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import type { CallerView, LoginAnswer } from '#contracts';
import { ProblemError, conflict } from '../http/index.js';
import { NameField } from '../http/name-field.js';
import { ApiTokenService } from './api-token.service.js';
import { callerOf, callerView, type Caller } from '../auth/caller.js';
import { LoginService } from './login.service.js';
import { Needs } from '../auth/needs.decorator.js';
import { Public } from '../auth/public.decorator.js';

/** Body of `POST /login`. */
export class LoginBody {
  @ApiProperty()
  @NameField()
  user: string;

  @ApiProperty({ writeOnly: true })
  @IsString()
  @Length(1, 1_024)
  secret: string;
}

/** Who am I, and how do I become somebody. */
@ApiTags('session')
@Controller('v1')
export class SessionController {
  constructor(
    private readonly logins: LoginService,
    private readonly tokens: ApiTokenService,
  ) {}

  @Post('login')
  @HttpCode(200)
  @Public('the secret is the credential')
  @ApiOperation({ summary: 'A token of twelve hours for a user and secret' })
  login(@Body() { user, secret }: LoginBody): Promise<LoginAnswer> {
    return this.logins.login(user, secret);
  }

  @Post('logout')
  @HttpCode(204)
  @Needs('self')
  @ApiOperation({ summary: 'End the session whose token is sent' })
  async logout(@Req() request: FastifyRequest): Promise<void> {
    const { tokenId, actor } = asCaller(request);
    if (tokenId === undefined || !/^(?:user|oidc)\//.test(actor))
      throw conflict(
        'token',
        tokenId,
        'is of no login',
        'an API token ends by `hostward delete api-token ID`, the admin token by `up --reset-admin-token`',
      );
    await this.tokens.delete(tokenId, 'logout');
  }

  @Get('whoami')
  @Needs('self')
  @ApiOperation({ summary: 'Name, roles, permissions and scope of the caller' })
  whoami(@Req() request: FastifyRequest): CallerView {
    return callerView(asCaller(request));
  }
}

function asCaller(request: FastifyRequest): Caller {
  const caller = callerOf(request.raw);
  if (caller) return caller;
  throw new ProblemError('not-authenticated');
}
