import { Injectable } from '@nestjs/common';
import type { ApplyDocument, PolicyView } from '#contracts';
import { Fleet } from '../store/fleet.js';
import { checkExpectation } from '../http/index.js';
import { formatOf } from '../http/media-type.js';
import { ApplyService } from './apply.service.js';
import { findPolicy, policyView } from './policy.view.js';
import type { PolicyWrite } from './policy.service.js';

/** One policy put under its name: an apply of one document that must be that one. */
@Injectable()
export class PolicyPut {
  constructor(
    private readonly fleet: Fleet,
    private readonly applying: ApplyService,
  ) {}

  async put(
    { name, by, expected }: PolicyWrite,
    text: string,
    contentType: string | undefined,
  ): Promise<{ readonly created: boolean; readonly view: PolicyView }> {
    const answer = await this.applying.apply({
      text,
      format: formatOf(contentType),
      by,
      dryRun: false,
      prune: false,
      overrideProtection: false,
      only: { kind: 'KubeArmorHostPolicy', name },
      check: (state) => checkExpectation(expected, state.policies.get(name)?.revision),
    });
    const state = this.fleet.read();
    return {
      created: isCreated(answer.documents),
      view: policyView(findPolicy(state, name), state),
    };
  }
}

function isCreated(documents: readonly ApplyDocument[]): boolean {
  return documents.some(({ verdict }) => verdict === 'created');
}
