/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_EVENT_H
#define HOSTWARD_EVENT_H
/* What a record says whatever it is of: who acted, and where it stood. */
#include <stddef.h>

#include "path.h"

#define HW_RECORD_HEAD offsetof(struct hw_bpf_event, text)

static __always_inline void hw_record_clear(struct hw_bpf_event *e) {
        __builtin_memset(e, 0, HW_RECORD_HEAD);
}

/* A path goes behind what the text holds: its length. */
static __always_inline __u32 hw_append_path(struct hw_bpf_event *e, __u32 at, const struct hw_scratch *s) {
        __u32 length = s->end - s->start;

        if (length > HW_EVENT_PATH_MAX - 1)
                length = HW_EVENT_PATH_MAX - 1;
        (void)bpf_probe_read_kernel(&e->text[at & (2 * HW_EVENT_PATH_MAX - 1)], length & (HW_EVENT_PATH_MAX - 1),
                                    &s->path[s->start & (HW_PATH_BUFFER - 1)]);
        return length;
}

/* The path of something that the caller has, not of what is judged: its length, 0 where it cannot be told. */
static __always_inline __u32 append_own(struct hw_bpf_event *e, __u32 at, struct dentry *dentry, __u32 is_directory) {
        struct hw_scratch *s = dentry ? hw_scratch_take() : NULL;
        __u32 length = 0;

        if (!s)
                return 0;
        if (hw_path_build(s, (__u64)dentry, is_directory) >= 0)
                length = hw_append_path(e, at, s);
        hw_scratch_give(s);
        return length;
}

/* All by its fields: programs on packets have no helpers for the current task. */
static __always_inline void hw_tell_actor(struct hw_bpf_event *e, struct task_struct *task) {
        e->start = BPF_CORE_READ(task, group_leader, start_boottime);
        e->exec = BPF_CORE_READ(task, self_exec_id);
        e->pid = BPF_CORE_READ(task, pid);
        e->tgid = BPF_CORE_READ(task, tgid);
        e->uid = BPF_CORE_READ(task, cred, uid.val);
        e->loginuid = BPF_CORE_READ(task, loginuid.val);
        e->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
        (void)bpf_core_read_str(e->comm, sizeof e->comm, &task->comm);
}

static __always_inline void hw_tell_context(struct hw_bpf_event *e, struct task_struct *task) {
        struct task_struct *above = task;
        struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);

        if (tty)
                (void)bpf_core_read_str(e->tty, sizeof e->tty, &tty->name);
        for (__u32 i = 0; i < HW_EVENT_PARENTS; i++) {
                struct hw_bpf_parent *p = &e->parent[i];

                above = BPF_CORE_READ(above, real_parent, group_leader);
                p->tgid = BPF_CORE_READ(above, tgid);
                if (p->tgid == 0)
                        break;
                p->start = BPF_CORE_READ(above, start_boottime);
                p->exec = BPF_CORE_READ(above, self_exec_id);
                (void)bpf_core_read_str(p->comm, sizeof p->comm, &above->comm);
                e->parents = i + 1;
        }
        e->exe_len = append_own(e, e->path_len, BPF_CORE_READ(task, mm, exe_file, f_path.dentry), 0);
        e->cwd_len = append_own(e, e->path_len + e->exe_len, BPF_CORE_READ(task, fs, pwd.dentry), 1);
}

#endif
