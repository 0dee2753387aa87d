/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_RECORD_H
#define HOSTWARD_RECORD_H
/* Records of what was denied or watched, into the ring buffer; what finds no room there is counted. */
#include <stddef.h>

#include "maps.h"

#define HW_RECORD_HEAD offsetof(struct hw_bpf_event, path)

static __always_inline void hw_record_clear(struct hw_bpf_event *e) {
        __builtin_memset(e, 0, HW_RECORD_HEAD);
}

static __always_inline void hw_record_object(struct hw_scratch *s, struct inode *inode) {
        __u32 length = s->end - s->start;

        if (inode) {
                s->event.ino = BPF_CORE_READ(inode, i_ino);
                s->event.dev = BPF_CORE_READ(inode, i_sb, s_dev);
        }
        if (length > HW_EVENT_PATH_MAX - 1)
                length = HW_EVENT_PATH_MAX - 1;
        s->event.path_len = length;
        (void)bpf_probe_read_kernel(s->event.path, length & (HW_EVENT_PATH_MAX - 1),
                                    &s->path[s->start & (HW_PATH_BUFFER - 1)]);
}

static __always_inline void hw_record_send(const struct hw_element *rules, struct hw_scratch *s) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct hw_bpf_event *e = &s->event;
        __u64 id = bpf_get_current_pid_tgid();

        e->time = bpf_ktime_get_boot_ns();
        e->generation = rules->generation;
        e->start = task->start_boottime;
        e->pid = (__u32)id;
        e->tgid = (__u32)(id >> 32);
        e->ppid = BPF_CORE_READ(task, real_parent, tgid);
        e->uid = (__u32)bpf_get_current_uid_gid();
        e->loginuid = BPF_CORE_READ(task, loginuid.val);
        e->cgroup = bpf_get_current_cgroup_id();
        e->reserved = 0;
        (void)bpf_get_current_comm(e->comm, sizeof e->comm);
        if (bpf_ringbuf_output(&events, e, HW_RECORD_HEAD + (e->path_len & (HW_EVENT_PATH_MAX - 1)), 0) < 0)
                hw_lost(HW_LOSS_RING);
}

#endif
