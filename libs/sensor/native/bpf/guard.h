/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_GUARD_H
#define HOSTWARD_GUARD_H
/*
 * What enforcement stands on is guarded against root too, while the sensor lives. The sensor itself may do all of it,
 * which is how `hostward-sensor unload` works; so may the first process, which is how a unit is stopped. Without a
 * living sensor nothing is guarded, so that nobody is locked out by one that cannot start.
 */
#include "maps.h"

static __always_inline struct hw_host *hw_this_host(void) {
        return bpf_map_lookup_elem(&host, &(const __u32){ 0 });
}

/* Whether there is a sensor, and the caller is neither it nor the first process. */
static __always_inline bool hw_is_guarded(void) {
        const struct hw_host *h = hw_this_host();
        const __u32 caller = bpf_get_current_pid_tgid() >> 32;

        return h && h->sensor != 0 && caller != h->sensor && caller != 1;
}

/* Whether the task is the sensor's, and the caller is to leave it alone. */
static __always_inline bool hw_is_guarded_task(const struct task_struct *task) {
        const struct hw_host *h = hw_this_host();

        return h && h->sensor != 0 && (__u32)BPF_CORE_READ(task, tgid) == h->sensor && hw_is_guarded();
}

#define HW_PIN_DEPTH 3 /* hostward/BUILD-SIZE/NAME */

/* Whether a name is one of our pins, or a directory of them. */
static __always_inline bool hw_is_guarded_pin(struct dentry *dentry) {
        struct super_block *sb = BPF_CORE_READ(dentry, d_sb);
        struct dentry *root;
        char name[16] = {};

        if (BPF_CORE_READ(sb, s_magic) != BPF_FS_MAGIC || !hw_is_guarded())
                return false;
        root = BPF_CORE_READ(sb, s_root);
        for (int i = 0; i < HW_PIN_DEPTH && BPF_CORE_READ(dentry, d_parent) != root; i++)
                dentry = BPF_CORE_READ(dentry, d_parent);
        (void)bpf_probe_read_kernel_str(name, sizeof name, BPF_CORE_READ(dentry, d_name.name));
        return bpf_strncmp(name, sizeof "hostward", "hostward") == 0;
}

#endif
