import { Module } from '@nestjs/common';
import { EtcdStore } from '#etcd';
import { Trust } from '../config/trust.js';
import { ApplyController } from './apply.controller.js';
import { ApplyService } from './apply.service.js';
import { ExceptionController } from './exception.controller.js';
import { ExceptionService } from './exception.service.js';
import { EtcdPolicyHistory, PolicyHistory } from './policy-history.js';
import { PolicyPut } from './policy-put.js';
import { PolicySigner } from './policy-signer.js';
import { PolicyController } from './policy.controller.js';
import { PolicyService } from './policy.service.js';

/** Steps 1 and 2 of the path: what operators write, validated, signed and stored. */
@Module({
  controllers: [ApplyController, PolicyController, ExceptionController],
  providers: [
    ApplyService,
    PolicyService,
    PolicyPut,
    ExceptionService,
    {
      provide: PolicySigner,
      inject: [Trust],
      useFactory: (trust: Trust) => new PolicySigner(trust.online),
    },
    {
      provide: PolicyHistory,
      inject: [EtcdStore],
      useFactory: (etcd: EtcdStore) => new EtcdPolicyHistory(etcd),
    },
  ],
  exports: [ApplyService, ExceptionService],
})
export class PoliciesModule {}
