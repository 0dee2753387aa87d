import { Global, Module } from '@nestjs/common';
import { Trust } from '../config/trust.js';
import { AuthorCheck } from './author-check.js';
import { AuthoredShelf } from './authored-shelf.js';
import { RootService } from './root.service.js';
import { SignedApplyService } from './signed-apply.service.js';
import { TrustController } from './trust.controller.js';
import { TrustKeeper } from './trust-keeper.js';

/** Root documents, and what authors sign. */
@Global()
@Module({
  controllers: [TrustController],
  providers: [
    {
      provide: AuthoredShelf,
      inject: [Trust],
      useFactory: (trust: Trust) => new AuthoredShelf(trust),
    },
    TrustKeeper,
    RootService,
    AuthorCheck,
    SignedApplyService,
  ],
  exports: [AuthoredShelf, TrustKeeper],
})
export class TrustModule {}
