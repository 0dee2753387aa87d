import { Module } from '@nestjs/common';
import { PoliciesModule } from './policies.module.js';
import { GroupController } from './group.controller.js';
import { GroupService } from './group.service.js';

/** Named selectors. */
@Module({ imports: [PoliciesModule], controllers: [GroupController], providers: [GroupService] })
export class GroupsModule {}
