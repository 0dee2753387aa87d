/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "clean.h"
#include "clock.h"
#include "hostward-bpf.h"
#include "hostward-table.h"

#define RECORDS_A_CALL 4096

static const char *const operations[HW_HOOKS] = {
        [HW_HOOK_OPEN] = "open",           [HW_HOOK_EXEC] = "exec",
        [HW_HOOK_MMAP] = "file_mmap",      [HW_HOOK_UNLINK] = "unlink",
        [HW_HOOK_RMDIR] = "rmdir",         [HW_HOOK_MKDIR] = "mkdir",
        [HW_HOOK_MKNOD] = "mknod",         [HW_HOOK_SYMLINK] = "symlink",
        [HW_HOOK_LINK] = "link",           [HW_HOOK_RENAME] = "rename_src",
        [HW_HOOK_TRUNCATE] = "truncate",   [HW_HOOK_ATTRIBUTE] = "chmod",
        [HW_HOOK_XATTR] = "setxattr",      [HW_HOOK_LOCK] = "file_lock",
        [HW_HOOK_MOUNT] = "mount",
        [HW_HOOK_SOCKET_CREATE] = "create", [HW_HOOK_SOCKET_BIND] = "bind",
        [HW_HOOK_SOCKET_CONNECT] = "connect", [HW_HOOK_SOCKET_LISTEN] = "listen",
        [HW_HOOK_SOCKET_ACCEPT] = "accept", [HW_HOOK_SOCKET_SEND] = "sendmsg",
        [HW_HOOK_CAPABLE] = "capable",
};

static void letters(uint32_t mask, char *ret) {
        for (unsigned int i = 0; i < HW_TBL_OPERATIONS; i++)
                if (mask & 1u << i)
                        *ret++ = "rwlkmx"[i];
        *ret = 0;
}

static void socket_words(uint32_t kind, struct hw_audit_record *r) {
        static const char *const types[] = {
                [HW_TBL_SOCKET_INET_TCP] = "stream",    [HW_TBL_SOCKET_INET_MPTCP] = "stream",
                [HW_TBL_SOCKET_INET_SCTP] = "stream",   [HW_TBL_SOCKET_INET_STREAM] = "stream",
                [HW_TBL_SOCKET_INET_UDP] = "dgram",     [HW_TBL_SOCKET_INET_UDPLITE] = "dgram",
                [HW_TBL_SOCKET_INET_ICMP] = "dgram",    [HW_TBL_SOCKET_INET_DGRAM] = "dgram",
                [HW_TBL_SOCKET_INET_SCTP_MANY] = "seqpacket", [HW_TBL_SOCKET_INET_SEQPACKET] = "seqpacket",
                [HW_TBL_SOCKET_INET_RDM] = "rdm",       [HW_TBL_SOCKET_INET_DCCP] = "dccp",
                [HW_TBL_SOCKET_INET_RAW_ICMP] = "raw",  [HW_TBL_SOCKET_INET_RAW] = "raw",
                [HW_TBL_SOCKET_INET_OTHER] = "unknown",
        };
        static const char *const families[] = { "packet", "packet", "vsock", "bluetooth", "can", "tipc", "rds", "xdp",
                                                "smc", "unknown" };
        const bool inet = kind < 2 * HW_TBL_SOCKET_INET6;
        const uint32_t type = kind % HW_TBL_SOCKET_INET6;

        if (inet && type < HW_LEN(types) && types[type])
                (void)snprintf(r->sock_type, sizeof r->sock_type, "%s", types[type]);
        if (inet)
                (void)snprintf(r->family, sizeof r->family, "%s", kind < HW_TBL_SOCKET_INET6 ? "inet" : "inet6");
        else if (kind - HW_TBL_SOCKET_PACKET_RAW < HW_LEN(families))
                (void)snprintf(r->family, sizeof r->family, "%s", families[kind - HW_TBL_SOCKET_PACKET_RAW]);
}

static void convert(const struct hw_bpf_event *e, const char *subject, struct hw_audit_record *r) {
        const uint64_t age_ms = hw_now_ms() - e->time / 1000000;
        size_t len = HW_MIN(e->path_len, sizeof r->name - 1);

        *r = (struct hw_audit_record){ .denied = e->denied != 0, .time_ms = hw_wall_ms() - age_ms, .pid = e->tgid,
                                       .fsuid = e->fsuid, .ouid = -1, .capability = -1, .protocol = -1 };
        (void)snprintf(r->profile, sizeof r->profile, "%s", subject);
        (void)snprintf(r->operation, sizeof r->operation, "%s", e->hook < HW_HOOKS ? operations[e->hook] : "unknown");
        (void)snprintf(r->comm, sizeof r->comm, "%.*s", (int)sizeof e->comm, e->comm);
        if (e->class == HW_BPF_PATH) {
                r->ouid = e->ouid;
                letters(e->requested, r->requested);
                letters(e->denied, r->denied_mask);
                memcpy(r->name, e->path, len);
        } else if (e->class == HW_BPF_SOCKET)
                socket_words(e->requested, r);
        else
                r->capability = e->requested;
}

static void take(struct hw_bpf *b, const void *data, uint32_t len, char *const *subjects, size_t n_subjects,
                 hw_bpf_handler handler, void *userdata) {
        static struct hw_audit_record record; /* large */
        struct hw_bpf_event e = { 0 };
        const char *subject = "hostward";
        uint32_t rule;

        if (len < offsetof(struct hw_bpf_event, path) || len > sizeof e)
                return;
        memcpy(&e, data, len);
        e.path_len = HW_MIN(e.path_len, len - (uint32_t)offsetof(struct hw_bpf_event, path));
        /* Of another rule set: its names are not ours any more, the agent goes by the path. */
        if (e.generation == b->generation && e.subject < n_subjects)
                subject = subjects[e.subject];
        rule = e.rule ? e.rule : e.audit_rule;
        convert(&e, subject, &record);
        record.bpf = true;
        record.rule = e.generation == b->generation && rule ? (int64_t)rule - 1 : -1;
        handler(&record, userdata);
}

void hw_bpf_read(struct hw_bpf *b, char *const *subjects, size_t n_subjects, hw_bpf_handler handler, void *userdata) {
        const uint8_t *data = b->ring + getpagesize();
        uint64_t at, end;

        if (!b->consumer)
                return;
        at = *b->consumer;
        end = __atomic_load_n((const uint64_t *)(const void *)b->ring, __ATOMIC_ACQUIRE);
        for (int i = 0; at < end && i < RECORDS_A_CALL; i++) {
                const uint8_t *head = data + (at & (b->ring_bytes - 1));
                const uint32_t len = __atomic_load_n((const uint32_t *)(const void *)head, __ATOMIC_ACQUIRE);
                const uint32_t bytes = len & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

                if (len & BPF_RINGBUF_BUSY_BIT)
                        return;
                if (!(len & BPF_RINGBUF_DISCARD_BIT))
                        take(b, head + BPF_RINGBUF_HDR_SZ, bytes, subjects, n_subjects, handler, userdata);
                at += (bytes + BPF_RINGBUF_HDR_SZ + 7) & ~7u;
                __atomic_store_n(b->consumer, at, __ATOMIC_RELEASE);
        }
}

uint64_t hw_bpf_poll_lost(struct hw_bpf *b) {
        uint64_t values[1024], since = 0;
        long cpus = sysconf(_SC_NPROCESSORS_CONF);

        if (b->losses < 0 || cpus < 1 || cpus > (long)HW_LEN(values))
                return 0;
        for (uint32_t cause = 0; cause < HW_LOSSES; cause++) {
                uint64_t sum = 0;

                if (hw_bpf_map_lookup(b->losses, &cause, values) < 0)
                        continue;
                for (long i = 0; i < cpus; i++)
                        sum += values[i];
                if (cause == HW_LOSS_RING)
                        since = sum - b->lost[cause];
                b->lost[cause] = sum;
        }
        return since;
}
