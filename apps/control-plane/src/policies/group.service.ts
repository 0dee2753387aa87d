import { Injectable } from '@nestjs/common';
import { etcdKeys } from '#etcd';
import type { GroupView } from '#contracts';
import { FleetEditor, type Override } from '../store/fleet-editor.js';
import { revisionToDelete } from '../store/unreadable-records.js';
import { Fleet } from '../store/fleet.js';
import { checkExpectation, type Expectation } from '../http/index.js';
import { formatOf } from '../http/media-type.js';
import { ApplyService } from './apply.service.js';
import { findGroup, groupView } from './group.view.js';

/** Who writes a group, and what it is expected to be. */
export interface GroupWrite {
  readonly name: string;
  readonly by: string;
  readonly expected: Expectation;
}

/** Named selectors; a change re-targets policies at once. */
@Injectable()
export class GroupService {
  constructor(
    private readonly fleet: Fleet,
    private readonly editor: FleetEditor,
    private readonly applying: ApplyService,
  ) {}

  /** Creates or changes the group from one Group document of this name. */
  async put({ name, by, expected }: GroupWrite, text: string, contentType: string | undefined) {
    const answer = await this.applying.apply({
      text,
      format: formatOf(contentType),
      by,
      dryRun: false,
      prune: false,
      overrideProtection: false,
      only: { kind: 'Group', name },
      check: (state) => checkExpectation(expected, state.groups.get(name)?.revision),
    });
    const created = answer.documents.some(({ verdict }) => verdict === 'created');
    return { created, view: this.view(name) };
  }

  /** Deletes it; policies that name it select no host by it any more. */
  async delete({ name, by, expected }: GroupWrite, override?: Override): Promise<void> {
    await this.editor.edit((state) => {
      const key = etcdKeys.group(name);
      const modRevision = revisionToDelete(state, key, () => findGroup(state, name));
      checkExpectation(expected, modRevision);
      return {
        if: [{ key, modRevision }],
        then: [{ type: 'delete', key }],
        auditLog: { by, action: 'group.deleted', target: name },
      };
    }, override);
  }

  /** Throws 404 for an unknown group. */
  view(name: string): GroupView {
    const state = this.fleet.read();
    return groupView(findGroup(state, name), state);
  }
}
