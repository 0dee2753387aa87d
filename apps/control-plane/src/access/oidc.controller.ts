import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString, Length, Matches } from 'class-validator';
import type { LoginAnswer, LoginMethods } from '#contracts';
import { OidcLoginService } from './oidc-login.service.js';
import { Public } from '../auth/public.decorator.js';

/** Body of `POST /sessions/oidc`. */
export class OidcSessionBody {
  @ApiProperty({ writeOnly: true, description: 'a JWT of the identity provider, fresh and unused' })
  @IsString()
  @Length(1, 16_384)
  @Matches(/^[A-Za-z0-9._-]+$/, { message: 'idToken must be a JWT in its compact form' })
  idToken: string;

  @ApiProperty({ writeOnly: true, description: 'that the login was begun with' })
  @IsString()
  @Length(1, 256)
  nonce: string;
}

/** Login by an identity provider. */
@ApiTags('session')
@Controller('v1')
export class OidcController {
  constructor(private readonly logins: OidcLoginService) {}

  @Get('login-methods')
  @Public('who is to log in has to know how')
  @ApiOperation({ summary: 'How one can log in here' })
  methods(): LoginMethods {
    return this.logins.methods();
  }

  @Post('sessions/oidc')
  @HttpCode(200)
  @Public('the ID token is the credential')
  @ApiOperation({ summary: 'A token of four hours for an ID token of the identity provider' })
  login(@Body() { idToken, nonce }: OidcSessionBody): Promise<LoginAnswer> {
    return this.logins.login(idToken, nonce);
  }
}
