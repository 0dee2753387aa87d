/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_CELL_H
#define HOSTWARD_CELL_H
/* Verdicts on what has no path: kinds of sockets and capabilities. */
#include "record.h"
#include "subject.h"

static __always_inline void hw_cell_record(const struct hw_element *rules, const struct hw_tbl_verdict *v, __u32 subject,
                                           __u32 class, __u32 number, __u32 hook) {
        struct hw_scratch *s = hw_scratch_take();

        if (!s)
                return;
        hw_record_clear(&s->event);
        s->event.class = class;
        s->event.hook = hook;
        s->event.requested = number;
        s->event.denied = v->deny;
        s->event.rule = v->rule ? v->rule : v->list;
        s->event.audit_rule = v->audit;
        s->event.subject = subject;
        s->event.fsuid = hw_fsuid();
        hw_record_send(rules, s);
        hw_scratch_give(s);
}

/* Whether it is refused: a kind of socket or a capability, by number. `silently`: whatever comes of it is not told. */
__noinline int hw_cell_judge(__u32 class, __u32 number, __u32 hook, __u32 silently) {
        const __u32 mask = 1u << (class == HW_BPF_SOCKET ? HW_TBL_SOCKETS : HW_TBL_CAPABILITIES);
        const struct hw_element *rules = hw_rules();
        struct hw_tbl_verdict v;
        __u32 subject;

        if (!rules || rules->mode == HW_BPF_OFF || hw_is_kernel_thread())
                return 0;
        subject = hw_subject(rules);
        if (subject == HW_NO_ROOM)
                return rules->mode == HW_BPF_ENFORCE;
        if (!hw_tbl_concerns(rules->table, subject, mask))
                return 0;
        if (class == HW_BPF_SOCKET)
                hw_tbl_cell(rules->table, subject, number, &v);
        else
                hw_tbl_capability(rules->table, subject, number, &v);
        if ((v.deny || v.logged) && !silently)
                hw_cell_record(rules, &v, subject, class, number, hook);
        return v.deny && rules->mode == HW_BPF_ENFORCE;
}

#endif
