import type { AuditLogEntryView, AuditLogHeadView, Page, SignedStatusView } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { KnownHosts } from '../keys/known-hosts.js';
import { heldBy } from './held-heads.js';
import type { AuditLogSource } from './verify-audit-log.js';

/** The audit log of a control plane, over REST. */
export function auditLogSource(controlPlane: ControlPlane): AuditLogSource {
  return {
    head: () => controlPlane.call<AuditLogHeadView>('/v1/audit-log/head'),
    held: async (keys) => {
      const views = await controlPlane.all<SignedStatusView>('/v1/signed-statuses');
      const known = await KnownHosts.of(controlPlane);
      return heldBy(views, keys, (node) => known.get(node)?.nodeId, Date.now());
    },
    headAt: (seq) => controlPlane.call<AuditLogHeadView>(`/v1/audit-log/heads/${seq}`),
    from: async (seq, limit) => {
      const query = { from: `${seq}`, limit: `${limit}` };
      const page = await controlPlane.call<Page<AuditLogEntryView>>('/v1/audit-log', { query });
      return page.items;
    },
  };
}
