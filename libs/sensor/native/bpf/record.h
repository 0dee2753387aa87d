/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_RECORD_H
#define HOSTWARD_RECORD_H
/*
 * Records of what was denied or watched, into the ring buffer. What is only watched may use half of it, the rest is for
 * denials. What finds no room is counted, with what was suppressed before it.
 */
#include <stddef.h>

#include "path.h"
#include "throttle.h"

#define HW_RECORD_HEAD offsetof(struct hw_bpf_event, text)
#define HW_RING_BYTES (1u << 20) /* of `events` in maps.h */
#define HW_RING_WATCHED (HW_RING_BYTES / 2)

static __always_inline void hw_record_clear(struct hw_bpf_event *e) {
        __builtin_memset(e, 0, HW_RECORD_HEAD);
}

/* A path goes behind what the text holds: its length. */
static __always_inline __u32 append_path(struct hw_bpf_event *e, __u32 at, const struct hw_scratch *s) {
        __u32 length = s->end - s->start;

        if (length > HW_EVENT_PATH_MAX - 1)
                length = HW_EVENT_PATH_MAX - 1;
        (void)bpf_probe_read_kernel(&e->text[at & (2 * HW_EVENT_PATH_MAX - 1)], length & (HW_EVENT_PATH_MAX - 1),
                                    &s->path[s->start & (HW_PATH_BUFFER - 1)]);
        return length;
}

static __always_inline void hw_record_object(struct hw_scratch *s, struct inode *inode) {
        if (inode) {
                s->event.ino = BPF_CORE_READ(inode, i_ino);
                s->event.dev = BPF_CORE_READ(inode, i_sb, s_dev);
        }
        s->event.path_len = append_path(&s->event, 0, s);
}

/* The path of something that the caller has, not of what is judged: its length, 0 where it cannot be told. */
static __always_inline __u32 append_own(struct hw_bpf_event *e, __u32 at, struct dentry *dentry, __u32 is_directory) {
        struct hw_scratch *s = dentry ? hw_scratch_take() : NULL;
        __u32 length = 0;

        if (!s)
                return 0;
        if (hw_path_build(s, (__u64)dentry, is_directory) >= 0)
                length = append_path(e, at, s);
        hw_scratch_give(s);
        return length;
}

static __always_inline void tell_actor(struct hw_bpf_event *e, struct task_struct *task) {
        const __u64 id = bpf_get_current_pid_tgid();

        e->time = bpf_ktime_get_boot_ns();
        e->start = BPF_CORE_READ(task, group_leader, start_boottime);
        e->exec = BPF_CORE_READ(task, self_exec_id);
        e->pid = (__u32)id;
        e->tgid = (__u32)(id >> 32);
        e->uid = (__u32)bpf_get_current_uid_gid();
        e->loginuid = BPF_CORE_READ(task, loginuid.val);
        e->cgroup = bpf_get_current_cgroup_id();
        (void)bpf_get_current_comm(e->comm, sizeof e->comm);
}

static __always_inline void tell_surroundings(struct hw_bpf_event *e, struct task_struct *task) {
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

/* Completes the record in the scratch and sends it, or counts it. */
__noinline int hw_record_put(struct hw_scratch *s) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct hw_bpf_event *e;
        __u64 length;

        if (!s)
                return 0;
        e = &s->event;
        tell_actor(e, task);
        if (!hw_throttle_admits(e))
                return 0;
        if (!hw_was_refused(e) && bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > HW_RING_WATCHED) {
                hw_lost_some(HW_LOSS_RESERVE, e->suppressed + 1);
                return 0;
        }
        tell_surroundings(e, task);
        length = HW_RECORD_HEAD + ((e->path_len + e->exe_len + e->cwd_len) & (4 * HW_EVENT_PATH_MAX - 1));
        if (bpf_ringbuf_output(&events, e, length, 0) < 0)
                hw_lost_some(HW_LOSS_RING, e->suppressed + 1);
        return 0;
}

static __always_inline void hw_record_send(const struct hw_element *rules, struct hw_scratch *s) {
        s->event.generation = rules->generation;
        s->event.mode = rules->mode;
        (void)hw_record_put(s);
}

#endif
