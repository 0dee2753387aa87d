/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_RECORD_H
#define HOSTWARD_RECORD_H
/*
 * Records of what was denied or watched, into the ring buffer. What is only watched may use half of it, the rest is for
 * denials. What finds no room is counted, with what was suppressed before it.
 */
#include "maps.h"

#include "event.h"
#include "throttle.h"

#define HW_RING_BYTES (1u << 20) /* of `events` in maps.h */
#define HW_RING_WATCHED (HW_RING_BYTES / 2)

static __always_inline void hw_record_inode(struct hw_bpf_event *e, struct inode *inode) {
        if (inode) {
                e->ino = BPF_CORE_READ(inode, i_ino);
                e->dev = BPF_CORE_READ(inode, i_sb, s_dev);
        }
}

static __always_inline void hw_record_object(struct hw_scratch *s, struct inode *inode) {
        hw_record_inode(&s->event, inode);
        s->event.path_len = hw_append_path(&s->event, 0, s);
}

static __always_inline bool hw_record_admitted(struct hw_bpf_event *e) {
        if (!hw_throttle_admits(e))
                return false;
        if (!hw_was_refused(e) && bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > HW_RING_WATCHED) {
                hw_lost_some(HW_LOSS_RESERVE, e->suppressed + 1);
                return false;
        }
        return true;
}

static __always_inline void hw_record_output(struct hw_bpf_event *e, __u64 length) {
        if (bpf_ringbuf_output(&events, e, length, 0) < 0)
                hw_lost_some(HW_LOSS_RING, e->suppressed + 1);
}

/* Completes the record in the scratch and sends it, or counts it. */
__noinline int hw_record_put(struct hw_scratch *s) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct hw_bpf_event *e;
        __u64 length;

        if (!s)
                return 0;
        e = &s->event;
        if (!e->tgid) /* else it was told by who made the record */
                hw_tell_actor(e, task);
        e->time = bpf_ktime_get_boot_ns();
        if (!hw_record_admitted(e))
                return 0;
        if (e->tgid == (__u32)task->tgid)
                hw_tell_context(e, task);
        length = HW_RECORD_HEAD + ((e->path_len + e->exe_len + e->cwd_len) & (4 * HW_EVENT_PATH_MAX - 1));
        hw_record_output(e, length);
        return 0;
}

static __always_inline void hw_record_send(const struct hw_element *rules, struct hw_scratch *s) {
        s->event.generation = rules->generation;
        s->event.mode = rules->mode;
        (void)hw_record_put(s);
}

#endif
