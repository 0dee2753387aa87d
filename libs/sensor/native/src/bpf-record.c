/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bpf-record.h"
#include "cgroup.h"
#include "clean.h"
#include "clock.h"
#include "hostward-bpf.h"
#include "hostward-table.h"

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
        [HW_HOOK_SOCKET_RECEIVE] = "recvmsg",
        [HW_HOOK_CAPABLE] = "capable",     [HW_HOOK_QUERY] = "query",
        [HW_HOOK_GUARD_KILL] = "kill",
        [HW_HOOK_GUARD_TRACE] = "ptrace",  [HW_HOOK_GUARD_MAP] = "bpf_map",
        [HW_HOOK_GUARD_PIN] = "unpin",     [HW_HOOK_GUARD_UNMOUNT] = "umount",
        [HW_HOOK_GUARD_LIMIT] = "prlimit",
};

static void letters(uint32_t mask, char *ret) {
        for (const char *letter = "rwlkmxaoq"; *letter; letter++, mask >>= 1)
                if (mask & 1)
                        *ret++ = *letter;
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

static const char *const causes[HW_CAUSES] = {
        [HW_CAUSE_RULES] = "",
        [HW_CAUSE_LONG] = "refused unasked: its path is longer than 4096 bytes",
        [HW_CAUSE_NAMELESS] = "refused unasked: no name of it is known",
        [HW_CAUSE_RENAMES] = "refused unasked: renames kept changing its path",
        [HW_CAUSE_ARGUMENTS] = "refused unasked: its arguments could not be read, or the rules changed meanwhile",
        [HW_CAUSE_QUERY] = "refused unasked: it is no whole query of one name",
};

static void put_object(const struct hw_bpf_event *e, struct hw_audit_record *r) {
        switch (e->class) {
        case HW_BPF_PATH:
                r->ouid = e->ouid;
                letters(e->requested, r->requested);
                letters(e->denied, r->denied_mask);
                if (e->cause < HW_CAUSES)
                        (void)snprintf(r->info, sizeof r->info, "%s", causes[e->cause]);
                break;
        case HW_BPF_QUERY:
                letters(e->requested, r->requested);
                letters(e->denied, r->denied_mask);
                if (e->cause < HW_CAUSES)
                        (void)snprintf(r->info, sizeof r->info, "%s", causes[e->cause]);
                break;
        case HW_BPF_SOCKET:
                socket_words(e->requested, r);
                break;
        case HW_BPF_CAPABILITY:
                r->capability = e->requested;
                break;
        case HW_BPF_GUARD:
                r->guard = true;
                if (e->requested)
                        (void)snprintf(r->requested, sizeof r->requested, "%" PRIu32, e->requested);
                break;
        }
}

static void put_parents(const struct hw_bpf_event *e, struct hw_actor *a) {
        a->n_parents = HW_MIN(e->parents, HW_MIN(HW_EVENT_PARENTS, HW_PARENTS_MAX));
        for (size_t i = 0; i < a->n_parents; i++) {
                const struct hw_bpf_parent *p = &e->parent[i];

                a->parents[i].pid = p->tgid;
                (void)snprintf(a->parents[i].comm, sizeof a->parents[i].comm, "%.*s", (int)sizeof p->comm, p->comm);
                hw_exec_id(p->start, p->tgid, p->exec, a->parents[i].exec);
        }
        if (a->n_parents > 0)
                a->ppid = a->parents[0].pid;
}

static void put_actor(const struct hw_bpf_event *e, struct hw_actor *a) {
        hw_actor_init(a);
        a->uid = e->uid;
        a->loginuid = e->loginuid == UINT32_MAX ? -1 : (int64_t)e->loginuid;
        hw_exec_id(e->start, e->tgid, e->exec, a->exec);
        (void)snprintf(a->tty, sizeof a->tty, "%.*s", (int)sizeof e->tty, e->tty);
        hw_cgroup_path(e->cgroup, a->cgroup, sizeof a->cgroup);
        hw_container_of(a->cgroup, a->container);
        put_parents(e, a);
}

/* A piece of the text into an array of `size` bytes; pieces that do not fit what was sent are cut. */
static const char *take_text(const char *text, const char *end, uint32_t len, char *ret, size_t size) {
        const size_t n = HW_MIN((size_t)len, (size_t)(end - text));

        memcpy(ret, text, HW_MIN(n, size - 1));
        ret[HW_MIN(n, size - 1)] = 0;
        return text + n;
}

/* `/example/evil/www/` is www.evil.example; the root, which has no name, a dot. */
static void name_of_query(char *path) {
        char name[HW_EVENT_PATH_MAX] = ".";
        size_t at = 0;

        for (size_t end = strlen(path); end > 1;) {
                size_t begin = end - 1;

                while (begin > 0 && path[begin - 1] != '/')
                        begin--;
                at += (size_t)snprintf(name + at, sizeof name - at, "%s%.*s", at ? "." : "", (int)(end - 1 - begin),
                                       path + begin);
                end = begin;
        }
        (void)snprintf(path, strlen(path) + 1, "%s", name);
}

bool hw_bpf_record(uint64_t generation, struct hw_slice data, char *const *subjects, size_t n_subjects,
                   struct hw_actor *actor, struct hw_audit_record *ret) {
        static struct hw_bpf_event e; /* large */
        const char *subject = "hostward", *text;
        uint64_t now = hw_now_ms();
        uint32_t rule;

        if (data.len < offsetof(struct hw_bpf_event, text) || data.len > sizeof e)
                return false;
        memcpy(&e, data.data, data.len);
        *ret = (struct hw_audit_record){ .denied = e.denied != 0 && e.mode == HW_BPF_ENFORCE, .bpf = true, .rule = -1,
                                         .time_ms = hw_wall_ms() - (now - HW_MIN(now, e.time / 1000000)),
                                         .pid = e.tgid, .fsuid = e.fsuid, .ouid = -1, .capability = -1, .protocol = -1,
                                         .suppressed = e.suppressed, .device = e.dev, .inode = e.ino, .actor = actor };
        put_object(&e, ret);
        put_actor(&e, actor);
        text = take_text(e.text, (const char *)&e + data.len, e.path_len, ret->name, sizeof ret->name);
        if (e.class == HW_BPF_QUERY && ret->name[0])
                name_of_query(ret->name);
        text = take_text(text, (const char *)&e + data.len, e.exe_len, actor->exe, sizeof actor->exe);
        (void)take_text(text, (const char *)&e + data.len, e.cwd_len, actor->cwd, sizeof actor->cwd);
        /* Of another rule set: its names are not ours any more, the agent goes by the path. */
        ret->in_force = !ret->guard && e.generation != 0 && e.generation == generation;
        if (ret->in_force && e.subject < n_subjects)
                subject = subjects[e.subject];
        rule = e.rule ? e.rule : e.audit_rule;
        if (ret->in_force && rule)
                ret->rule = (int64_t)rule - 1;
        if (!ret->guard)
                (void)snprintf(ret->profile, sizeof ret->profile, "%s", subject);
        (void)snprintf(ret->operation, sizeof ret->operation, "%s", e.hook < HW_HOOKS ? operations[e.hook] : "unknown");
        (void)snprintf(ret->comm, sizeof ret->comm, "%.*s", (int)sizeof e.comm, e.comm);
        return true;
}
