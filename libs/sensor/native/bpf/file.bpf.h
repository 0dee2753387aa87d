/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Files: what may be opened, mapped, made, moved, removed and changed.
 *
 * lsm/file_open        r and w by the open's mode; an open for truncation is a write. execve's own open is exec.bpf.c's.
 * lsm/mmap_file        m for a mapping to execute, w for a shared writable one (a descriptor from before the rules)
 * lsm/file_mprotect    the same for a mapping that becomes executable or writable
 * lsm/path_*           w on names that appear, change or disappear, and on mode, owner and size; a new name for an old
 *                      object (link, rename) must not permit what the old one refuses, nor take away what lies below;
 *                      and our own pins are guarded (guard.h)
 * lsm/inode_*xattr     w
 * lsm/inode_*_acl      w
 * lsm/file_ioctl*      w for the ioctls that change a file by a descriptor that was opened to read: its flags (chattr), its
 *                      generation, its seal by fs-verity. All that change content need one to write, which lsm/file_open
 *                      has judged
 * lsm/inode_file_setattr  w: file_setattr(2) changes flags by a path
 * lsm/file_lock        k; an exclusive lock is a write too, as on AppArmor
 */
#include "guard.h"
#include "judge.h"

/* The daemon looks for what is to be bound, in directories that nobody may read too. */
static __always_inline bool is_search(struct file *file) {
        const struct hw_host *h = bpf_map_lookup_elem(&host, &(const __u32){ 0 });

        return h && h->sensor != 0 && h->sensor == bpf_get_current_pid_tgid() >> 32 &&
               hw_is_directory(BPF_CORE_READ(file, f_path.dentry, d_inode));
}

/*
 * Before 6.8 an overlay opens the file that lies below it under its own path, of a filesystem that no rule speaks of: the
 * name of what is opened in truth, as the kernel knows it; 0 where the path is the file's.
 */
static __always_inline __u64 opened_below(struct file *file) {
        struct inode *inode = HW_READ(file, f_inode);
        struct dentry *dentry = (struct dentry *)hw_load_word(&file->f_path.dentry);
        __u64 name;

        if (!inode || inode == HW_READ(dentry, d_inode))
                return 0;
        name = hw_load_word(&inode->i_dentry.first);
        return name ? name - bpf_core_field_offset(struct dentry, d_u.d_alias) : 0;
}

SEC("lsm/file_open")
int BPF_PROG(hw_file_open, struct file *file)
{
        __u32 requested = 0;
        __u64 below;

        if ((file->f_flags & FMODE_EXEC_FLAG) || is_search(file))
                return 0;
        if (file->f_mode & FMODE_READ)
                requested |= HW_OP(READ);
        if ((file->f_mode & FMODE_WRITE) || (file->f_flags & O_TRUNC))
                requested |= HW_OP(WRITE);
        below = opened_below(file);
        if (below)
                return hw_judge(below, requested, HW_HOOK_OPEN, 0) & ~HW_IS_FOREIGN ? -EACCES : 0;
        return hw_answer_file(file, requested, HW_HOOK_OPEN);
}

SEC("lsm/mmap_file")
int BPF_PROG(hw_mmap_file, struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)
{
        __u32 requested = 0;

        if (!file)
                return 0;
        if ((prot & PROT_EXEC) && !hw_exec_admitted(BPF_CORE_READ(file, f_path.dentry, d_inode)))
                requested |= HW_OP(MAP);
        if ((prot & PROT_WRITE) && (flags & MAP_SHARED_MASK) != 2)
                requested |= HW_OP(WRITE);
        return requested ? hw_answer_file(file, requested, HW_HOOK_MMAP) : 0;
}

SEC("lsm/file_mprotect")
int BPF_PROG(hw_file_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
        struct file *file = BPF_CORE_READ(vma, vm_file);
        __u32 requested = 0;

        if (!file)
                return 0;
        if ((prot & PROT_EXEC) && !hw_exec_admitted(BPF_CORE_READ(file, f_path.dentry, d_inode)))
                requested |= HW_OP(MAP);
        if ((prot & PROT_WRITE) && (BPF_CORE_READ(vma, vm_flags) & VM_SHARED))
                requested |= HW_OP(WRITE);
        return requested ? hw_answer(BPF_CORE_READ(file, f_path.dentry), requested, HW_HOOK_MMAP) : 0;
}

SEC("lsm/path_unlink")
int BPF_PROG(hw_path_unlink, const struct path *dir, struct dentry *dentry)
{
        if (hw_is_guarded_pin(dentry))
                return -EPERM;
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_UNLINK);
}

SEC("lsm/path_rmdir")
int BPF_PROG(hw_path_rmdir, const struct path *dir, struct dentry *dentry)
{
        if (hw_is_guarded_pin(dentry))
                return -EPERM;
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_RMDIR);
}

SEC("lsm/path_mkdir")
int BPF_PROG(hw_path_mkdir, const struct path *dir, struct dentry *dentry, unsigned short mode)
{
        return hw_judge(hw_address(dentry), HW_OP(WRITE), HW_HOOK_MKDIR, HW_AS_DIRECTORY) & ~HW_IS_FOREIGN ? -EACCES : 0;
}

SEC("lsm/path_mknod")
int BPF_PROG(hw_path_mknod, const struct path *dir, struct dentry *dentry, unsigned short mode, unsigned int dev)
{
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_MKNOD);
}

SEC("lsm/path_symlink")
int BPF_PROG(hw_path_symlink, const struct path *dir, struct dentry *dentry, const char *old_name)
{
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_SYMLINK);
}

SEC("lsm/path_truncate")
int BPF_PROG(hw_path_truncate, const struct path *path)
{
        return hw_answer(path->dentry, HW_OP(WRITE), HW_HOOK_TRUNCATE);
}

SEC("lsm/path_chmod")
int BPF_PROG(hw_path_chmod, const struct path *path, unsigned short mode)
{
        return hw_answer(path->dentry, HW_OP(WRITE), HW_HOOK_ATTRIBUTE);
}

SEC("lsm/path_chown")
int BPF_PROG(hw_path_chown, const struct path *path, unsigned long long uid, unsigned long long gid)
{
        return hw_answer(path->dentry, HW_OP(WRITE), HW_HOOK_ATTRIBUTE);
}

SEC("lsm/inode_setxattr")
int BPF_PROG(hw_inode_setxattr, void *idmap, struct dentry *dentry)
{
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_XATTR);
}

SEC("lsm/inode_removexattr")
int BPF_PROG(hw_inode_removexattr, void *idmap, struct dentry *dentry)
{
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_XATTR);
}

/* Since Linux 6.2 lists of who may are no extended attributes to it; older kernels have them come by those above. */
SEC("lsm/inode_set_acl")
int BPF_PROG(hw_set_acl, void *idmap, struct dentry *dentry)
{
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_XATTR);
}

SEC("lsm/inode_remove_acl")
int BPF_PROG(hw_remove_acl, void *idmap, struct dentry *dentry)
{
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_XATTR);
}

/*
 * A file is bound to its names (src/bindings.c) by its generation too, so whoever could change that would free it of them.
 */
static __always_inline bool changes_file(unsigned int cmd) {
        return cmd == FS_IOC_SETFLAGS || cmd == FS_IOC32_SETFLAGS || cmd == FS_IOC_FSSETXATTR ||
               cmd == FS_IOC_ENABLE_VERITY || cmd == FS_IOC_SETVERSION || cmd == FS_IOC32_SETVERSION ||
               cmd == EXT4_IOC_SETVERSION || cmd == EXT4_IOC32_SETVERSION || cmd == FAT_IOCTL_SET_ATTRIBUTES ||
               cmd == BTRFS_IOC_SUBVOL_SETFLAGS;
}

SEC("lsm/file_ioctl")
int BPF_PROG(hw_file_ioctl, struct file *file, unsigned int cmd)
{
        return changes_file(cmd) ? hw_answer_file(file, HW_OP(WRITE), HW_HOOK_ATTRIBUTE) : 0;
}

/* From programs of 32 bits; older kernels have them come by the one above. The kernel tells this one no path as the caller sees it. */
SEC("lsm/file_ioctl_compat")
int BPF_PROG(hw_file_ioctl_compat, struct file *file, unsigned int cmd)
{
        return changes_file(cmd) ? hw_answer(file->f_path.dentry, HW_OP(WRITE), HW_HOOK_ATTRIBUTE) : 0;
}

/* Since Linux 6.17. Where there is this hook the ioctls for flags come here too, after the one above. */
SEC("lsm/inode_file_setattr")
int BPF_PROG(hw_file_setattr, struct dentry *dentry)
{
        return hw_answer(dentry, HW_OP(WRITE), HW_HOOK_ATTRIBUTE);
}

SEC("lsm/file_lock")
int BPF_PROG(hw_file_lock, struct file *file, unsigned int cmd)
{
        return hw_answer(file->f_path.dentry, cmd == F_WRLCK ? HW_OP(LOCK) | HW_OP(WRITE) : HW_OP(LOCK), HW_HOOK_LOCK);
}

/* Whether a new name would let through what the old one refuses; the record is about the old one. */
static __always_inline bool loosens(const struct dentry *from, const struct dentry *to, __u32 operations, __u32 hook,
                                    __u32 flags) {
        const __u64 old = hw_address(from);
        const __u32 before = hw_judge(old, operations, hook, HW_SILENTLY) & ~HW_IS_FOREIGN;
        __u32 after;

        if (!before)
                return false;
        after = hw_judge(hw_address(to), operations, hook, HW_SILENTLY | flags);
        return (before & ~after) && hw_judge(old, before & ~after, hook, 0);
}

SEC("lsm/path_link")
int BPF_PROG(hw_path_link, struct dentry *from, const struct path *dir, struct dentry *to)
{
        const int r = hw_answer(to, HW_OP(LINK), HW_HOOK_LINK);

        return r || loosens(from, to, HW_TBL_ALL_PATH_OPERATIONS, HW_HOOK_LINK, 0) ? -EACCES : 0;
}

/* Whether `from` may be where `to` is: not for a blocked object, or above one. */
static __always_inline bool refuses_move(const struct dentry *from, const struct dentry *to) {
        const bool is_directory = hw_is_directory(BPF_CORE_READ(from, d_inode));
        const __u32 flags = is_directory ? HW_AS_DIRECTORY : 0;

        if (hw_answer(from, is_directory ? HW_OP(WRITE) | HW_OP(OVER) : HW_OP(WRITE), HW_HOOK_RENAME) ||
            (hw_judge(hw_address(to), HW_OP(WRITE), HW_HOOK_RENAME, flags) & ~HW_IS_FOREIGN) ||
            loosens(from, to, HW_TBL_ALL_PATH_OPERATIONS, HW_HOOK_RENAME, flags))
                return true;
        return is_directory && hw_judge_moved(hw_address(from), hw_address(to));
}

SEC("lsm/path_rename")
int BPF_PROG(hw_path_rename, const struct path *dir, struct dentry *from, const struct path *to_dir,
             struct dentry *to)
{
        if (hw_is_guarded_pin(from) || hw_is_guarded_pin(to))
                return -EPERM;
        if (refuses_move(from, to))
                return -EACCES;
        return rename_has_flags && (ctx[4] & RENAME_EXCHANGE) && refuses_move(to, from) ? -EACCES : 0;
}
