/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_SUBJECT_H
#define HOSTWARD_SUBJECT_H
/*
 * Who acts: the class of the program that the task was started from, and whether it has a terminal. The class is kept
 * with the task and good for one rule set; what is missing or belongs to another rule set is worked out anew, so that
 * nothing depends on its being there.
 */
#include "maps.h"

#include "path.h"

/* Whether no rule names a source. */
static __always_inline bool hw_is_single_subject(const struct hw_element *rules) {
        return hw_tbl_programs(rules->table) <= 1;
}

static __always_inline bool hw_is_kernel_thread(void) {
        struct task_struct *task = bpf_get_current_task_btf();

        return task->flags & PF_KTHREAD;
}

static __always_inline __u32 hw_fsuid(void) {
        struct task_struct *task = bpf_get_current_task_btf();

        return task->cred->fsuid.val;
}

struct hw_subject_walk {
        const struct hw_element *rules;
        struct hw_scratch *scratch;
};

static long subject_chunk(__u32 index, struct hw_subject_walk *c) {
        struct hw_scratch *s = c->scratch;

        (void)index;
        for (__u32 i = 0; i < 8; i++) {
                if (s->position >= s->end)
                        return 1;
                s->state = hw_tbl_subject_step(c->rules->table, s->state,
                                               (__u8)s->path[s->position & (HW_PATH_BUFFER - 1)]);
                s->position++;
        }
        return 0;
}

/*
 * Rules name programs of the host: what lies on a filesystem of a container, or of anybody's own namespace, is none of them
 * wherever it lies there.
 */
static __always_inline __u32 hw_subject_of_file(const struct hw_element *rules, struct hw_scratch *s,
                                                struct file *exe) {
        struct hw_subject_walk c = { rules, s };

        if (!exe || hw_path_build(s, (__u64)BPF_CORE_READ(exe, f_path.dentry), 0) != HW_PATH_HOST)
                return 0;
        s->position = s->start;
        s->state = hw_tbl_subject_start(rules->table);
        (void)bpf_loop(HW_PATH_BUFFER / 8, subject_chunk, &c, 0);
        return hw_tbl_subject_result(rules->table, s->state);
}

/* What a subject becomes by a controlling terminal, which a task may get and give up: so it is looked at each time. */
static __always_inline __u32 hw_at_terminal(const struct hw_element *rules, struct task_struct *task, __u32 subject) {
        const __u32 terminals = HW_TBL_LOAD32(rules->table, HW_TBL_OFF_TERMINALS);

        return terminals && BPF_CORE_READ(task, signal, tty) ? subject + terminals : subject;
}

#define HW_NO_ROOM 0xffffffffu

/* The subject that the caller is by its program, or HW_NO_ROOM to find it out. */
static __always_inline __u32 subject_of_caller(const struct hw_element *rules) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct hw_task *kept;
        struct hw_scratch *s;
        __u32 subject;

        if (hw_is_single_subject(rules))
                return 0;
        kept = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (kept && kept->generation == rules->generation)
                return kept->subject;
        s = hw_scratch_take();
        if (!s)
                return HW_NO_ROOM;
        subject = hw_subject_of_file(rules, s, BPF_CORE_READ(task, mm, exe_file));
        hw_scratch_give(s);
        if (kept) {
                kept->subject = subject;
                kept->generation = rules->generation;
        }
        return subject;
}

/* As hw_subject(), for programs that cannot keep it with the task. */
static __always_inline __u32 hw_subject_unkept(const struct hw_element *rules, struct hw_scratch *room) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct file *exe = BPF_CORE_READ(task, mm, exe_file);

        if (hw_is_kernel_thread())
                return 0;
        return hw_at_terminal(rules, task, hw_is_single_subject(rules) ? 0 : hw_subject_of_file(rules, room, exe));
}

/* The subject of the caller in this rule set, or HW_NO_ROOM to find it out. */
static __always_inline __u32 hw_subject(const struct hw_element *rules) {
        const __u32 subject = subject_of_caller(rules);

        return subject == HW_NO_ROOM ? subject : hw_at_terminal(rules, bpf_get_current_task_btf(), subject);
}

#endif
