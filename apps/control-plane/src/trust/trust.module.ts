import { Global, Module } from '@nestjs/common';
import { Trust } from '../config/trust.js';
import { AuthorCheck } from './author-check.js';
import { AuthoredIndex } from './authored-index.js';
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
      provide: AuthoredIndex,
      inject: [Trust],
      useFactory: (trust: Trust) => new AuthoredIndex(trust),
    },
    TrustKeeper,
    RootService,
    AuthorCheck,
    SignedApplyService,
  ],
  exports: [AuthoredIndex, TrustKeeper],
})
export class TrustModule {}
