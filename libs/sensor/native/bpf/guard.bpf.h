/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The sensor and its maps (guard.h); pins are guarded in file.bpf.h and mount.bpf.h. The answer is EPERM.
 *
 * lsm/task_kill                  signals to the sensor, but for 0 and SIGCONT; those of the kernel do not come here
 * lsm/file_send_sigiotask        signals by what it was made the owner of (F_SETOWN); in anybody's name, so it is not told
 * lsm/task_setrlimit             limits on it, by which the kernel ends a process (prlimit)
 * lsm/ptrace_access_check        attaching to it, writing its memory, taking its descriptors
 * lsm/bpf_map                    descriptors of our maps that can write
 * tp_btf/sched_process_exit      the sensor ends, and with it the guard
 */
#include "guard.h"

SEC("lsm/task_kill")
int BPF_PROG(hw_task_kill, struct task_struct *task, void *info, int signal)
{
        if (signal == 0 || signal == SIGCONT || !hw_is_guarded_task(task))
                return 0;
        return hw_guard_tell(HW_HOOK_GUARD_KILL, signal, 0) ? -EPERM : 0;
}

/* May come from an interrupt: who caused it is not known. The sensor asks for no such signals, nor does the first process. */
SEC("lsm/file_send_sigiotask")
int BPF_PROG(hw_sigiotask, struct task_struct *task)
{
        return hw_is_sensor(task) ? -EPERM : 0;
}

SEC("lsm/task_setrlimit")
int BPF_PROG(hw_setrlimit, struct task_struct *task)
{
        return hw_is_guarded_task(task) && hw_guard_tell(HW_HOOK_GUARD_LIMIT, 0, 0) ? -EPERM : 0;
}

SEC("lsm/ptrace_access_check")
int BPF_PROG(hw_ptrace_access_check, struct task_struct *task, unsigned int mode)
{
        if (!(mode & PTRACE_MODE_ATTACH) || !hw_is_guarded_task(task))
                return 0;
        return hw_guard_tell(HW_HOOK_GUARD_TRACE, 0, 0) ? -EPERM : 0;
}

SEC("lsm/bpf_map")
int BPF_PROG(hw_bpf_map, struct bpf_map *map, unsigned int mode)
{
        const struct hw_host *h = hw_this_host();
        const __u32 id = BPF_CORE_READ(map, id);

        if (!h || !(mode & FMODE_WRITE) || !is_outsider())
                return 0;
        for (int i = 0; i < HW_HOST_MAPS; i++)
                if (id == h->maps[i])
                        return hw_guard_tell(HW_HOOK_GUARD_MAP, id, 0) ? -EPERM : 0;
        return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(hw_sched_process_exit, struct task_struct *task)
{
        struct hw_host *h = hw_this_host();

        if (h && h->sensor != 0 && h->sensor == (__u32)task->pid)
                h->sensor = 0;
        return 0;
}
