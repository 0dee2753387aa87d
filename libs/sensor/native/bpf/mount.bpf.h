/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Mounts: what covers or uncovers a blocked object, or a directory above one, counts as writing it. Only in the host's
 * mount namespace: elsewhere it changes what that namespace sees, and no path by which an object is judged. The first
 * process may: it unmounts at shutdown and mounts at boot.
 *
 * lsm/sb_mount       where something new is mounted, bound or moved to; MS_MOVE does not say from where: then the host's
 *                    root, since a caller whose root is elsewhere can still name a mount that lies outside it
 * lsm/move_mount     the same by the newer calls, and where it is moved from
 * lsm/sb_umount      what is uncovered; not the filesystem of the pins (guard.h)
 * lsm/sb_pivotroot   the caller's root: all that it changes lies there
 */
#include "guard.h"
#include "judge.h"

static __always_inline bool is_judged(void) {
        return bpf_get_current_pid_tgid() >> 32 != 1 && hw_in_host_namespace();
}

static __always_inline int answer_mount(const struct dentry *place) {
        return hw_answer(place, HW_OP(WRITE) | HW_OP(OVER), HW_HOOK_MOUNT);
}

static __always_inline const struct mount *mount_of(const struct vfsmount *mnt) {
        return (const void *)((__u64)hw_address(mnt) - bpf_core_field_offset(struct mount, mnt));
}

static __always_inline bool is_mounted(const struct mount *m) {
        return BPF_CORE_READ(m, mnt_parent) != m;
}

static __always_inline struct dentry *root_of_caller(void) {
        struct task_struct *task = bpf_get_current_task_btf();

        return BPF_CORE_READ(task, fs, root.dentry);
}

/* The record has the inode of the caller's root, which most often is the same. */
static __always_inline int answer_host_root(void) {
        return hw_judge_host_root(hw_address(root_of_caller()), HW_OP(WRITE) | HW_OP(OVER), HW_HOOK_MOUNT) ? -EACCES : 0;
}

/* As the kernel reads flags, the first that it knows counts: one that binds, and says how it spreads, binds. */
static __always_inline bool leaves_places(unsigned long flags) {
        return (flags & MS_REMOUNT) || (!(flags & MS_BIND) && (flags & MS_PROPAGATION));
}

SEC("lsm/sb_mount")
int BPF_PROG(hw_sb_mount, const char *name, const struct path *path, const char *type, unsigned long flags)
{
        if (leaves_places(flags) || !is_judged())
                return 0;
        return answer_mount(path->dentry) || ((flags & MS_MOVE) && answer_host_root()) ? -EACCES : 0;
}

SEC("lsm/move_mount")
int BPF_PROG(hw_move_mount, const struct path *from, const struct path *to)
{
        const struct mount *moved = mount_of(from->mnt);

        if (!is_judged())
                return 0;
        return answer_mount(to->dentry) || (is_mounted(moved) && answer_mount(BPF_CORE_READ(moved, mnt_mountpoint)))
                       ? -EACCES
                       : 0;
}

SEC("lsm/sb_umount")
int BPF_PROG(hw_sb_umount, struct vfsmount *mnt)
{
        if (!is_judged())
                return 0;
        if (BPF_CORE_READ(mnt, mnt_sb, s_magic) == BPF_FS_MAGIC && hw_is_guarded())
                return -EPERM;
        return answer_mount(BPF_CORE_READ(mount_of(mnt), mnt_mountpoint));
}

SEC("lsm/sb_pivotroot")
int BPF_PROG(hw_sb_pivotroot)
{
        return is_judged() ? answer_mount(root_of_caller()) : 0;
}
