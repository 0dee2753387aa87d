import { Module } from '@nestjs/common';
import { EtcdStore } from '#etcd';
import { PoliciesModule } from '../policies/policies.module.js';
import { Attestor } from './attestor.js';
import { CutOffService } from './cut-off.service.js';
import { EnrollAnswers } from './enroll-answers.js';
import { EnrollController } from './enroll.controller.js';
import { EnrollService } from './enroll.service.js';
import { HostAccess } from './host-access.js';
import { JoinTokenController } from './join-token.controller.js';
import { JoinTokenGate } from './join-token.gate.js';
import { JoinTokenMaker } from './join-token.maker.js';
import { EtcdJoinTokenStore, JoinTokenStore } from './join-token.store.js';
import { NodeController } from './node.controller.js';
import { NodeLifeController } from './node-life.controller.js';
import { NodeLifeService } from './node-life.service.js';
import { NodeService } from './node.service.js';
import { SshHostKeyAttestor } from './ssh-host-key.attestor.js';

/** Hosts: how they come in, what they are called, how they go. */
@Module({
  imports: [PoliciesModule],
  controllers: [NodeController, NodeLifeController, JoinTokenController, EnrollController],
  providers: [
    NodeService,
    NodeLifeService,
    EnrollService,
    EnrollAnswers,
    CutOffService,
    HostAccess,
    JoinTokenGate,
    JoinTokenMaker,
    { provide: Attestor, useClass: SshHostKeyAttestor },
    {
      provide: JoinTokenStore,
      inject: [EtcdStore],
      useFactory: (etcd: EtcdStore) => new EtcdJoinTokenStore(etcd),
    },
  ],
  exports: [JoinTokenMaker],
})
export class NodesModule {}
