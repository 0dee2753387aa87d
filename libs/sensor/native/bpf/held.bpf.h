/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What is open already, for the daemon that reads these iterators (src/bpf-held.c); they refuse nothing.
 *
 * iter/task_file hw_own_files    the reader's own descriptors: which inodes they are, by numbers that only the kernel has
 * iter/task_file hw_held_files   descriptors of others that the rules would refuse to open now
 * iter/task_vma  hw_held_maps    the same of their mappings
 */
#include "judge.h"

static __always_inline bool is_reader(const struct task_struct *task) {
        return (__u32)task->tgid == bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void identify(struct hw_open_file *out, struct file *file) {
        struct inode *inode = BPF_CORE_READ(file, f_path.dentry, d_inode);

        out->ino = BPF_CORE_READ(inode, i_ino);
        out->dev = BPF_CORE_READ(inode, i_sb, s_dev);
        out->inode_generation = BPF_CORE_READ(inode, i_generation);
}

SEC("iter/task_file")
int hw_own_files(struct bpf_iter__task_file *ctx)
{
        struct task_struct *task = ctx->task;
        struct file *file = ctx->file;
        struct hw_open_file out = {};

        if (!task || !file || !is_reader(task))
                return 0;
        identify(&out, file);
        out.fd = ctx->fd;
        (void)bpf_seq_write(ctx->meta->seq, &out, sizeof out);
        return 0;
}

static __always_inline void tell_held(struct seq_file *seq, struct task_struct *task, struct file *file, __u32 fd,
                                      struct hw_scratch *s, __u32 denied) {
        struct hw_open_file out = {};
        __u64 length = s->end - s->start;

        if (length > HW_OPEN_FILE_PATH - 1)
                length = HW_OPEN_FILE_PATH - 1;
        length &= HW_OPEN_FILE_PATH - 1;
        identify(&out, file);
        out.tgid = task->tgid;
        out.fd = fd;
        out.denied = denied;
        out.rule = s->event.rule;
        out.listed = s->listed;
        out.path_len = length;
        (void)bpf_probe_read_kernel_str(out.comm, sizeof out.comm, task->comm);
        if (bpf_seq_write(seq, &out, sizeof out) == 0)
                (void)bpf_seq_write(seq, &s->path[s->start & (HW_PATH_BUFFER - 1)], length);
}

/* Whether the rules would refuse that to the task now; tells if so. */
static __always_inline void look_at(struct seq_file *seq, struct task_struct *task, struct file *file, __u32 fd,
                                    __u32 operations) {
        const struct hw_element *rules = hw_rules();
        const struct hw_request q = { (__u64)BPF_CORE_READ(file, f_path.dentry), operations, 0, HW_TO_ITERATOR };
        struct hw_scratch *s;
        __u32 subject = 0, denied;

        if (!operations || !rules || rules->mode != HW_BPF_ENFORCE || (task->flags & PF_KTHREAD) || is_reader(task))
                return;
        s = hw_scratch_take();
        if (!s)
                return;
        if (!hw_is_single_subject(rules))
                subject = hw_subject_of_file(rules, s, BPF_CORE_READ(task, mm, exe_file));
        subject = hw_at_terminal(rules, task, subject);
        if (hw_tbl_concerns(rules->table, subject, operations)) {
                denied = hw_judge_in(rules, s, subject, BPF_CORE_READ(task, cred, fsuid.val), &q);
                if (denied && denied != HW_IS_FOREIGN && s->told)
                        tell_held(seq, task, file, fd, s, denied);
        }
        hw_scratch_give(s);
}

SEC("iter/task_file")
int hw_held_files(struct bpf_iter__task_file *ctx)
{
        struct task_struct *task = ctx->task;
        struct file *file = ctx->file;
        __u32 mode, operations = 0;

        if (!task || !file)
                return 0;
        mode = BPF_CORE_READ(file, f_mode);
        if (mode & FMODE_PATH)
                return 0;
        if (mode & FMODE_READ)
                operations |= HW_OP(READ);
        if (mode & FMODE_WRITE)
                operations |= HW_OP(WRITE);
        look_at(ctx->meta->seq, task, file, ctx->fd, operations);
        return 0;
}

/* A program is mapped by the kernel, without having been opened for reading. */
SEC("iter/task_vma")
int hw_held_maps(struct bpf_iter__task_vma *ctx)
{
        struct task_struct *task = ctx->task;
        struct vm_area_struct *vma = ctx->vma;
        struct file *file = vma ? BPF_CORE_READ(vma, vm_file) : NULL;
        unsigned long flags;
        __u32 operations = 0;

        if (!task || !file || file == BPF_CORE_READ(task, mm, exe_file))
                return 0;
        flags = BPF_CORE_READ(vma, vm_flags);
        if (flags & VM_READ)
                operations |= HW_OP(READ);
        if (flags & VM_EXEC)
                operations |= HW_OP(MAP);
        if ((flags & VM_WRITE) && (flags & VM_SHARED))
                operations |= HW_OP(WRITE);
        look_at(ctx->meta->seq, task, file, -1, operations);
        return 0;
}
