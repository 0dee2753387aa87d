/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_KERNEL_H
#define HOSTWARD_KERNEL_H
/*
 * What the programs read of the kernel's structures: names and types of single fields only, relocated by CO-RE when the
 * programs are loaded, so that neither a dump of one kernel nor headers on the host are needed.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
        unsigned int val;
} kuid_t;

struct seqcount {
        unsigned int sequence;
};

/* By which eight bytes can be loaded from any address. */
struct timespec64 {
        __s64 tv_sec;
};

struct qstr {
        union {
                struct {
                        __u32 hash;
                        __u32 len;
                };
                __u64 hash_len;
        };
        const unsigned char *name;
};

struct hlist_node {
        struct hlist_node *next;
};

struct hlist_head {
        struct hlist_node *first;
};

struct super_block {
        __u32 s_dev;
        unsigned long s_magic;
        struct dentry *s_root;
};

struct inode {
        unsigned short i_mode;
        kuid_t i_uid;
        unsigned long i_ino;
        __u32 i_generation;
        union {
                const unsigned int i_nlink;
        };
        struct super_block *i_sb;
        union {
                struct hlist_head i_dentry; /* its names that the kernel knows */
        };
};

struct dentry {
        unsigned int d_flags;
        struct dentry *d_parent;
        struct qstr d_name;
        struct inode *d_inode;
        struct super_block *d_sb;
        union {
                struct hlist_node d_alias;
        } d_u;
};

struct vfsmount {
        struct dentry *mnt_root;
        struct super_block *mnt_sb;
};

struct mount {
        struct mount *mnt_parent;
        struct dentry *mnt_mountpoint;
        struct vfsmount mnt;
};

struct path {
        struct vfsmount *mnt;
        struct dentry *dentry;
};

struct fs_struct {
        struct path root;
        struct path pwd;
};

struct tty_struct {
        char name[64];
};

struct signal_struct {
        struct tty_struct *tty;
};

struct file {
        unsigned int f_mode;
        unsigned int f_flags;
        struct inode *f_inode;
        struct path f_path;
};

struct seq_file;

struct bpf_iter_meta {
        struct seq_file *seq;
};

struct bpf_iter__task_file {
        struct bpf_iter_meta *meta;
        struct task_struct *task;
        __u32 fd;
        struct file *file;
};

struct bpf_iter__task_vma {
        struct bpf_iter_meta *meta;
        struct task_struct *task;
        struct vm_area_struct *vma;
};

struct vm_area_struct {
        struct file *vm_file;
        unsigned long vm_flags;
};

struct linux_binprm {
        struct file *file;
        unsigned long p; /* top of the new stack: the strings of the arguments, then of the environment */
        int argc;
};

struct mm_struct {
        struct file *exe_file;
        unsigned long arg_start, arg_end;
};

struct bpf_map {
        __u32 id;
};

struct ns_common {
        unsigned int inum;
};

struct mnt_namespace {
        struct ns_common ns;
};

struct nsproxy {
        struct mnt_namespace *mnt_ns;
};

struct cred {
        kuid_t uid;
        kuid_t fsuid;
};

struct kernfs_node {
        __u64 id;
};

struct cgroup {
        struct kernfs_node *kn;
};

struct css_set {
        struct cgroup *dfl_cgrp;
};

struct task_struct {
        unsigned int flags;
        int pid;
        int tgid;
        __u64 start_boottime;
        struct task_struct *real_parent;
        struct task_struct *group_leader;
        __u64 self_exec_id;
        struct signal_struct *signal;
        const struct cred *cred;
        struct mm_struct *mm;
        struct nsproxy *nsproxy;
        struct fs_struct *fs;
        struct css_set *cgroups;
        kuid_t loginuid;
        char comm[16];
};

struct in6_addr {
        union {
                __u8 u6_addr8[16];
        } in6_u;
};

struct sock_common {
        unsigned short skc_family;
        __be32 skc_daddr;
        __be16 skc_dport;
        struct in6_addr skc_v6_daddr;
};

struct sock {
        struct sock_common __sk_common;
        unsigned short sk_type;
        unsigned short sk_protocol;
};

struct socket {
        short type;
        struct sock *sk;
};

struct msghdr {
        void *msg_name; /* copied into the kernel before */
        int msg_namelen;
};

struct sk_buff {
        unsigned char *head;
        __u16 transport_header;
        __u16 network_header;
};

#pragma clang attribute pop

extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

/* A field of a structure that is known by its address: a plain load where the kernel can (since 6.2), else a call. */
#define HW_READ(pointer, field)                                                                           \
        ({                                                                                                \
                __typeof__(pointer) object_ = (pointer);                                                  \
                bpf_ksym_exists(bpf_rdonly_cast)                                                          \
                        ? ((__typeof__(object_))bpf_rdonly_cast(                                          \
                                  object_, bpf_core_type_id_kernel(__typeof__(*object_))))                \
                                  ->field                                                                 \
                        : BPF_CORE_READ(object_, field);                                                  \
        })

/* Whether memory of the kernel can be loaded from by its address. */
static __always_inline bool hw_can_load(void) {
        return bpf_ksym_exists(bpf_rdonly_cast);
}

/* Eight bytes from an address, 0 where there is no memory. A pointer comes as a number, which any function may be given. */
static __always_inline __u64 hw_load_word(const void *address) {
        return (__u64)HW_READ((struct timespec64 *)address, tv_sec);
}

#define PF_KTHREAD 0x00200000
#define S_IFMT 00170000
#define S_IFDIR 0040000
#define S_IFREG 0100000
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define FMODE_PATH 0x4000
#define O_TRUNC 01000
#define FMODE_EXEC_FLAG 0x20 /* __FMODE_EXEC among the flags of an open made by execve */
#define F_WRLCK 1
#define FS_IOC_SETFLAGS 0x40086602
#define FS_IOC32_SETFLAGS 0x40046602
#define FS_IOC_FSSETXATTR 0x401c5820
#define FS_IOC_ENABLE_VERITY 0x40806685
#define FS_IOC_SETVERSION 0x40087602
#define FS_IOC32_SETVERSION 0x40047602
#define EXT4_IOC_SETVERSION 0x40086604 /* the same, by its own number */
#define EXT4_IOC32_SETVERSION 0x40046604
#define FAT_IOCTL_SET_ATTRIBUTES 0x40047211
#define BTRFS_IOC_SUBVOL_SETFLAGS 0x4008941a
#define PROT_WRITE 0x2
#define PROT_EXEC 0x4
#define MAP_SHARED_MASK 0x3 /* MAP_SHARED, MAP_SHARED_VALIDATE */
#define VM_READ 0x1
#define VM_WRITE 0x2
#define VM_EXEC 0x4
#define VM_SHARED 0x8
#define RENAME_EXCHANGE 0x2
#define MS_REMOUNT 0x20
#define MS_BIND 0x1000
#define MS_MOVE 0x2000
#define MS_PROPAGATION 0x1e0000 /* MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED */
#define SIGKILL 9
#define SIGCONT 18
#define CAP_OPT_NOAUDIT 0x2 /* the kernel asks for itself */
#define PTRACE_MODE_ATTACH 0x2
#define BPF_FS_MAGIC 0xcafe4a11
#define DCACHE_DISCONNECTED 0x20 /* found by a file handle, and its names were not looked for */
#define PROC_SUPER_MAGIC 0x9fa0
#define SYSFS_MAGIC 0x62656572

#endif
