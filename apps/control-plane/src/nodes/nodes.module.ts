import { Module } from '@nestjs/common';
import { EtcdStore } from '#etcd';
import { PoliciesModule } from '../policies/policies.module.js';
import { EnrollController } from './enroll.controller.js';
import { EnrollService } from './enroll.service.js';
import { JoinTokenController } from './join-token.controller.js';
import { EtcdJoinTokenStore, JoinTokenStore } from './join-token.store.js';
import { NodeController } from './node.controller.js';
import { NodeService } from './node.service.js';
import { NodeViews } from './node.view.js';

/** Hosts: how they come in, what they are called, how they go. */
@Module({
  imports: [PoliciesModule],
  controllers: [NodeController, JoinTokenController, EnrollController],
  providers: [
    NodeService,
    NodeViews,
    EnrollService,
    {
      provide: JoinTokenStore,
      inject: [EtcdStore],
      useFactory: (etcd: EtcdStore) => new EtcdJoinTokenStore(etcd),
    },
  ],
})
export class NodesModule {}
