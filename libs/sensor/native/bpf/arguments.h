/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_ARGUMENTS_H
#define HOSTWARD_ARGUMENTS_H
/*
 * Rules on the arguments of an exec. Before the program has taken the caller's place the caller can still change them,
 * and no program of ours can read the stack that they were copied to. So conditions are noted when the exec is asked
 * about (hw_exec_hold), and answered when nobody but the new program, which has not run yet, can reach them
 * (hw_exec_settle): by SIGKILL, since there is no way back from there.
 */
#include "maps.h"

#include "record.h"

/* Notes the conditions of the cells that a walk ended in, one a step. */
static long collect_condition(__u32 index, struct hw_decision *c) {
        const void *table = c->rules->table;
        struct hw_scratch *s = c->scratch;
        const __u32 n = s->conditional, at = s->chain;
        __u64 decision;

        (void)index;
        if (at == 0) {
                if (s->automaton >= s->walk.n)
                        return 1;
                s->chain = hw_tbl_conditions(table, &s->walk, s->automaton, c->subject, c->asker);
                s->automaton++;
                return 0;
        }
        decision = HW_TBL_LOAD64(table, at);
        s->chain = HW_TBL_LOAD32(table, at + HW_TBL_CONDITION_NEXT);
        if (decision != 0 && decision < s->strongest)
                return 0;
        if (n >= HW_TBL_CONDITIONS_MAX) { /* by several names together: no room to ask them all */
                s->due = 1;
                s->event.denied |= 1u << HW_TBL_EXEC;
                s->event.rule = hw_tbl_rule_of(decision);
                return 1;
        }
        s->condition[n & (HW_TBL_CONDITIONS_MAX - 1)] = (struct hw_condition){
                .decision = decision,
                .audit = HW_TBL_LOAD32(table, at + HW_TBL_CONDITION_AUDIT),
                .state = HW_TBL_LOAD32(table, at + HW_TBL_CONDITION_STATE),
        };
        s->conditional = n + 1;
        return 0;
}

static __always_inline void hw_collect_conditions(struct hw_decision *c) {
        if (!hw_tbl_has_conditions(c->rules->table))
                return;
        c->scratch->automaton = c->scratch->chain = 0;
        (void)bpf_loop(HW_TBL_AUTOMATA_MAX * (HW_TBL_CONDITIONS_MAX + 1), collect_condition, c, 0);
}

/* The record as it is to be sent if a condition holds, cut where it does not fit. */
static __always_inline void keep_record(struct hw_exec_file *f, struct hw_bpf_event *e) {
        __u64 length;

        if (e->path_len > HW_EXEC_RECORD - 1 - HW_RECORD_HEAD)
                e->path_len = HW_EXEC_RECORD - 1 - HW_RECORD_HEAD;
        if (HW_RECORD_HEAD + e->path_len + e->exe_len + e->cwd_len >= HW_EXEC_RECORD)
                e->exe_len = e->cwd_len = 0;
        length = HW_RECORD_HEAD + e->path_len + e->exe_len + e->cwd_len;
        (void)bpf_probe_read_kernel(f->record, length & (HW_EXEC_RECORD - 1), e);
}

/*
 * Notes the conditions in the scratch with the caller, and the record that stands there. 0, or what is refused since
 * there is no room.
 */
__noinline __u32 hold_exec(struct hw_scratch *s) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct hw_exec *x = bpf_task_storage_get(&execs, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
        struct hw_exec_file *f;
        struct inode *inode;

        if (!s)
                return 0;
        if (!x || x->n >= HW_EXEC_FILES) {
                hw_lost(HW_LOSS_SCRATCH);
                return 1u << HW_TBL_EXEC;
        }
        inode = (struct inode *)s->asked.inode;
        hw_tell_actor(&s->event, task);
        hw_tell_context(&s->event, task);
        s->event.denied = s->event.rule = s->event.audit_rule = 0;
        f = &x->file[x->n & (HW_EXEC_FILES - 1)];
        f->ino = HW_READ(inode, i_ino);
        f->dev = s->asked.key.dev;
        f->inode_generation = HW_READ(inode, i_generation);
        f->conditional = s->conditional;
        for (__u32 i = 0; i < HW_TBL_CONDITIONS_MAX; i++)
                f->condition[i] = s->condition[i];
        keep_record(f, &s->event);
        x->fresh = 1;
        return 0;
}

static __always_inline __u32 hw_exec_hold(const struct hw_element *rules, struct hw_scratch *s) {
        s->event.generation = rules->generation;
        s->event.mode = rules->mode;
        return hold_exec(s);
}

static __always_inline struct hw_exec *hw_exec_held(void) {
        return bpf_task_storage_get(&execs, bpf_get_current_task_btf(), NULL, 0);
}

/* What hw_exec_hold() noted a moment ago belongs to this exec. */
static __always_inline void hw_exec_noted(const struct linux_binprm *bprm) {
        struct hw_exec *x = hw_exec_held();

        if (!x || !x->fresh)
                return;
        x->fresh = 0;
        x->file[x->n & (HW_EXEC_FILES - 1)].argc = bprm->argc;
        x->n++;
}

/* Whether the file is the program that the task was let run, so that mapping it is part of that. */
static __always_inline bool hw_exec_admitted(struct inode *inode) {
        struct hw_exec *x = hw_exec_held();

        if (!x || !x->admitted || !inode)
                return false;
        for (__u32 i = 0; i < HW_EXEC_FILES; i++) {
                const struct hw_exec_file *f = &x->file[i];

                if (i < x->n && f->ino == HW_READ(inode, i_ino) &&
                    f->inode_generation == HW_READ(inode, i_generation) &&
                    f->dev == BPF_CORE_READ(inode, i_sb, s_dev))
                        return true;
        }
        return false;
}

struct hw_settlement {
        const struct hw_element *rules;
        struct hw_exec *x;
        struct hw_exec_file *file;
};

static long some_bytes_of_arguments(__u32 index, struct hw_settlement *c) {
        const void *table = c->rules->table;
        struct hw_exec *x = c->x;

        (void)index;
        for (__u32 i = 0; i < 8; i++) {
                __u8 byte;

                if (x->offset >= x->size || x->fired)
                        return 1;
                byte = x->chunk[x->offset & (HW_EXEC_CHUNK - 1)];
                x->offset++;
                if (byte != 0) {
                        if (x->string >= x->skip) {
                                x->state = hw_tbl_next(table, x->state, hw_tbl_byte_class(table, byte));
                                x->fired = x->state == 0;
                        }
                        continue;
                }
                if (x->string >= x->skip)
                        x->fired = !hw_tbl_holds(table, x->state);
                x->state = x->start;
                x->string++;
                if (x->string >= x->strings)
                        return 1;
        }
        return 0;
}

static long chunk_of_arguments(__u32 index, struct hw_settlement *c) {
        struct hw_exec *x = c->x;
        __u32 size = HW_EXEC_CHUNK - (x->address & (HW_EXEC_CHUNK - 1));

        (void)index;
        if (bpf_probe_read_user(x->chunk, size & (2 * HW_EXEC_CHUNK - 1), (const void *)x->address) < 0) {
                x->unread = 1;
                return 1;
        }
        x->address += size;
        x->offset = 0;
        x->size = size;
        (void)bpf_loop(HW_EXEC_CHUNK / 8, some_bytes_of_arguments, c, 0);
        return x->fired || x->string >= x->strings;
}

static __always_inline void take_condition(struct hw_settlement *c, struct hw_bpf_event *e,
                                           const struct hw_condition *condition) {
        if (condition->decision == 0) {
                if (e->audit_rule == 0 || condition->audit < e->audit_rule)
                        e->audit_rule = condition->audit;
                return;
        }
        e->denied = 1u << HW_TBL_EXEC;
        if (condition->decision <= c->x->strongest)
                return;
        c->x->strongest = condition->decision;
        e->rule = hw_tbl_rule_of(condition->decision);
}

#define HW_ARGUMENT_CHUNKS (1u << 20) /* more than the kernel takes bytes of arguments */

static long settle_condition(__u32 index, struct hw_settlement *c) {
        struct hw_exec *x = c->x;
        struct hw_condition *condition = &c->file->condition[index & (HW_TBL_CONDITIONS_MAX - 1)];
        const __u64 address = x->address;

        if (index >= c->file->conditional)
                return 1;
        x->start = x->state = condition->state;
        x->string = x->fired = 0;
        if (!x->unread && x->skip < x->strings)
                (void)bpf_loop(HW_ARGUMENT_CHUNKS, chunk_of_arguments, c, 0);
        x->address = address;
        if (x->fired || x->unread)
                take_condition(c, (struct hw_bpf_event *)c->file->record, condition);
        return 0;
}

/* Whether the arguments are refused; tells of it, and of what is only watched. */
static __always_inline bool settle_file(struct hw_settlement *c, const struct linux_binprm *bprm) {
        struct hw_exec *x = c->x;
        struct hw_bpf_event *e = (struct hw_bpf_event *)c->file->record;
        const __u32 behind = c->file->argc > 0 ? c->file->argc - 1 : 0;
        __u64 length;

        x->strings = bprm->argc;
        x->skip = x->strings > behind ? x->strings - behind : 0;
        x->address = bprm->p;
        x->strongest = 0;
        x->unread = e->generation != c->rules->generation;
        (void)bpf_loop(HW_TBL_CONDITIONS_MAX, settle_condition, c, 0);
        if (!e->denied && !e->audit_rule)
                return false;
        if (x->unread)
                e->cause = HW_CAUSE_ARGUMENTS;
        e->time = bpf_ktime_get_boot_ns();
        if (hw_record_admitted(e)) {
                length = HW_RECORD_HEAD + ((e->path_len + e->exe_len + e->cwd_len) & (HW_EXEC_RECORD - 1));
                if (length > HW_EXEC_RECORD)
                        length = HW_EXEC_RECORD;
                hw_record_output(e, length);
        }
        return e->denied && e->mode == HW_BPF_ENFORCE;
}

/* The program has taken the caller's place, and its arguments are its own. */
static __always_inline void hw_exec_settle(const struct linux_binprm *bprm) {
        struct hw_settlement c = { .rules = hw_rules(), .x = hw_exec_held() };
        bool refused = false;

        if (!c.x || c.x->n == 0 || !c.rules)
                return;
        for (__u32 i = 0; i < HW_EXEC_FILES; i++) {
                if (i >= c.x->n)
                        break;
                c.file = &c.x->file[i];
                refused |= settle_file(&c, bprm);
        }
        c.x->admitted = !refused;
        if (refused)
                (void)bpf_send_signal(SIGKILL);
}

/* Another exec begins: what is noted of the one before ends. */
static __always_inline void hw_exec_forget(void) {
        struct hw_exec *x = hw_exec_held();

        if (x)
                x->n = x->fresh = x->admitted = 0;
}

#endif
