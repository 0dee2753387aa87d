/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Programs: what may be started, and who a task is from then on.
 *
 * lsm/bprm_creds_for_exec    an exec begins
 * lsm/bprm_check_security    x on each file of an exec: the script, then its interpreter; judged as the caller
 * lsm/bprm_committed_creds   the task becomes the subject of its new program; what its arguments decide (arguments.h)
 * lsm/task_alloc             a child is the subject that its parent is
 */
#include "judge.h"

SEC("lsm/bprm_creds_for_exec")
int BPF_PROG(hw_bprm_creds, struct linux_binprm *bprm)
{
        hw_exec_forget();
        return 0;
}

SEC("lsm/bprm_check_security")
int BPF_PROG(hw_bprm_check, struct linux_binprm *bprm)
{
        const int r = hw_answer_file(bprm->file, HW_OP(EXEC), HW_HOOK_EXEC);

        if (r == 0)
                hw_exec_noted(bprm);
        return r;
}

SEC("lsm/bprm_committed_creds")
int BPF_PROG(hw_bprm_committed, const struct linux_binprm *bprm)
{
        struct task_struct *task = bpf_get_current_task_btf();
        const struct hw_element *rules = hw_rules();
        struct hw_task *kept;

        hw_exec_settle(bprm);
        if (!rules || hw_is_single_subject(rules))
                return 0;
        kept = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (kept)
                kept->generation = 0;
        (void)hw_subject(rules);
        return 0;
}

SEC("lsm/task_alloc")
int BPF_PROG(hw_task_alloc, struct task_struct *task, unsigned long clone_flags)
{
        struct task_struct *parent = bpf_get_current_task_btf();
        struct hw_task *from = bpf_task_storage_get(&tasks, parent, NULL, 0), *to;

        if (!from)
                return 0;
        to = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (to)
                *to = *from;
        return 0;
}
