import type { JournalEntryView, JournalHeadView, Page, StatementView } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { KnownHosts } from '../keys/known-hosts.js';
import { heldBy } from './held-heads.js';
import type { JournalSource } from './verify-journal.js';

/** The journal of a control plane, over REST. */
export function journalSource(controlPlane: ControlPlane): JournalSource {
  return {
    head: () => controlPlane.call<JournalHeadView>('/v1/journal/head'),
    held: async (keys) => {
      const views = await controlPlane.all<StatementView>('/v1/statements');
      const known = await KnownHosts.of(controlPlane);
      return heldBy(views, keys, (node) => known.get(node)?.nodeId, Date.now());
    },
    headAt: (seq) => controlPlane.call<JournalHeadView>(`/v1/journal/heads/${seq}`),
    from: async (seq, limit) => {
      const query = { from: `${seq}`, limit: `${limit}` };
      const page = await controlPlane.call<Page<JournalEntryView>>('/v1/journal', { query });
      return page.items;
    },
  };
}
