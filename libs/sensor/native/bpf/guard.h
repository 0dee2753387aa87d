/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_GUARD_H
#define HOSTWARD_GUARD_H
/*
 * What enforcement stands on is guarded against root too, while the sensor lives. The sensor itself may do all of it,
 * which is how `hostward-sensor unload` works; so may the first process, which is how a unit is stopped. Without a
 * living sensor nothing is guarded, so that nobody is locked out by one that cannot start. Each attempt that is refused
 * is told, as a record of a class of its own: `requested` is the signal, or the id of the map.
 */
#include "judge.h"

static __always_inline struct hw_host *hw_this_host(void) {
        return bpf_map_lookup_elem(&host, &(const __u32){ 0 });
}

/* Whether there is a sensor, and the caller is neither it nor the first process. */
static __always_inline bool is_outsider(void) {
        const struct hw_host *h = hw_this_host();
        const __u32 caller = bpf_get_current_pid_tgid() >> 32;

        return h && h->sensor != 0 && caller != h->sensor && caller != 1;
}

/* Tells of an attempt; `dentry` by its address, 0: it was not about a file. Always 1: it was refused. */
__noinline int hw_guard_tell(__u32 hook, __u32 what, __u64 dentry) {
        struct hw_scratch *s = hw_scratch_take();

        if (!s)
                return 1;
        hw_record_clear(&s->event);
        s->event.class = HW_BPF_GUARD;
        s->event.hook = hook;
        s->event.requested = what;
        s->event.denied = 1;
        s->event.audit_rule = hook; /* each kind of attempt is throttled for itself */
        s->event.fsuid = hw_fsuid();
        if (dentry && hw_path_build(s, dentry, 0) >= 0)
                hw_record_object(s, BPF_CORE_READ((struct dentry *)dentry, d_inode));
        (void)hw_record_put(s);
        hw_scratch_give(s);
        return 1;
}

static __always_inline bool hw_is_sensor(const struct task_struct *task) {
        const struct hw_host *h = hw_this_host();

        return h && h->sensor != 0 && (__u32)BPF_CORE_READ(task, tgid) == h->sensor;
}

/* Whether the task is the sensor's, and the caller is to leave it alone. */
static __always_inline bool hw_is_guarded_task(const struct task_struct *task) {
        return hw_is_sensor(task) && is_outsider();
}

/* Whether the filesystem of the pins is to stay where it is mounted (mount.bpf.h). */
static __always_inline bool hw_is_guarded(void) {
        return is_outsider() && hw_guard_tell(HW_HOOK_GUARD_UNMOUNT, 0, 0);
}

#define HW_PIN_DEPTH 3 /* hostward/BUILD-SIZE/NAME */

/* Whether a name is one of our pins, or a directory of them. */
static __always_inline bool hw_is_guarded_pin(struct dentry *pin) {
        struct dentry *dentry = pin;
        struct super_block *sb = BPF_CORE_READ(dentry, d_sb);
        struct dentry *root;
        char name[16] = {};

        if (BPF_CORE_READ(sb, s_magic) != BPF_FS_MAGIC || !is_outsider())
                return false;
        root = BPF_CORE_READ(sb, s_root);
        for (int i = 0; i < HW_PIN_DEPTH && BPF_CORE_READ(dentry, d_parent) != root; i++)
                dentry = BPF_CORE_READ(dentry, d_parent);
        (void)bpf_probe_read_kernel_str(name, sizeof name, BPF_CORE_READ(dentry, d_name.name));
        return bpf_strncmp(name, sizeof "hostward", "hostward") == 0 &&
               hw_guard_tell(HW_HOOK_GUARD_PIN, 0, hw_address(pin));
}

#endif
