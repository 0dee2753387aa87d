import { Module } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { Log } from '#observability';
import { AccessGuard } from '../auth/access.guard.js';
import { AccessWatch } from './access-watch.js';
import { AdminTokenReset } from './admin-token-reset.js';
import { ApiTokenController } from './api-token.controller.js';
import { ApiTokenService } from './api-token.service.js';
import { Authenticator } from '../auth/authenticator.js';
import { ScopedNames } from '../auth/scoped-names.js';
import { FleetNames } from './fleet-names.js';
import { TokenAuthenticator } from './token-authenticator.js';
import { CallerInterceptor } from '../auth/caller.interceptor.js';
import { Directory } from './directory.js';
import { FailedLogins } from './failed-logins.js';
import { LastUse } from './last-use.js';
import { IdTokenVerifier } from './id-token.verifier.js';
import { LoginGate } from './login.gate.js';
import { LoginService } from './login.service.js';
import { OidcController } from './oidc.controller.js';
import { OidcLoginService } from './oidc-login.service.js';
import { Refusals } from './refusals.js';
import { SessionController } from './session.controller.js';
import { Sessions } from './sessions.js';
import { UserController } from './user.controller.js';
import { UserService } from './user.service.js';

/** Who may call at all, and what each may do. */
@Module({
  controllers: [SessionController, OidcController, UserController, ApiTokenController],
  providers: [
    { provide: Directory, inject: [Log], useFactory: (log: Log) => new Directory(log) },
    { provide: Authenticator, useClass: TokenAuthenticator },
    { provide: ScopedNames, useClass: FleetNames },
    FailedLogins,
    Refusals,
    LastUse,
    AdminTokenReset,
    AccessWatch,
    ApiTokenService,
    UserService,
    LoginGate,
    Sessions,
    LoginService,
    IdTokenVerifier,
    OidcLoginService,
    AccessGuard,
    { provide: APP_GUARD, useExisting: AccessGuard },
    { provide: APP_INTERCEPTOR, useClass: CallerInterceptor },
  ],
})
export class AccessModule {}
