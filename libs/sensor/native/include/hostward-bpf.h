/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_BPF_H
#define HOSTWARD_BPF_H
/*
 * What the daemon and its BPF programs share beside the table itself (hostward-table.h): the values of the maps and the
 * records of the ring buffer. Both are built from this file, so nothing here is versioned; a program of another build
 * is replaced as a whole (src/bpf-load.c).
 */
#include <linux/types.h>

enum hw_bpf_mode { HW_BPF_ENFORCE, HW_BPF_AUDIT, HW_BPF_OFF };

/* The single value of an inner map: one rule set, whole. `generation` is new at each swap and never 0. */
struct hw_element {
        __u64 generation;
        __u32 mode; /* enum hw_bpf_mode */
        __u32 reserved;
        __u8 table[]; /* as many bytes as the size class has that the programs were loaded for, and HW_SLACK */
};
#define HW_SLACK 16 /* a load of 8 bytes at the last masked offset stays inside */

/* Where a filesystem is mounted on the host; the key is its device as the kernel has it (s_dev). */
#define HW_MOUNT_ENTRIES 4
#define HW_MOUNT_PREFIX 256

struct hw_mount_entry {
        __u16 strip_len, add_len; /* without final slashes; 0: "/" */
        char strip[HW_MOUNT_PREFIX]; /* the mounted subtree */
        char add[HW_MOUNT_PREFIX]; /* the mount point */
};

struct hw_mount {
        __u32 n; /* 0: this filesystem is not the host's */
        __u32 reserved;
        struct hw_mount_entry entry[HW_MOUNT_ENTRIES];
};

/* What programs must know of this boot. */
#define HW_HOST_MAPS 6

struct hw_host {
        __u32 mnt_ns; /* number of the host's mount namespace */
        __u32 sensor; /* the living daemon's pid, 0: there is none */
        __u32 maps[HW_HOST_MAPS]; /* ids of the maps that nobody else may write */
};

enum hw_loss { HW_LOSS_RING, HW_LOSS_SCRATCH, HW_LOSS_RACE, HW_LOSS_THROTTLED, HW_LOSSES };

enum hw_bpf_class { HW_BPF_PATH = 1, HW_BPF_SOCKET = 2, HW_BPF_CAPABILITY = 3 };

#define HW_EVENT_PATH_MAX 4096

/* What was denied or watched. `rule` and `audit_rule` are indexes into the table's rules, plus one; 0: none. */
struct hw_bpf_event {
        __u64 time; /* CLOCK_BOOTTIME, ns */
        __u64 generation;
        __u64 start; /* of the process, CLOCK_BOOTTIME ns: with tgid its exec id over reuse of pids */
        __u32 class; /* enum hw_bpf_class */
        __u32 hook; /* enum hw_bpf_hook */
        __u32 requested; /* operations asked for, bit i = HW_TBL operation i; socket kind; capability */
        __u32 denied; /* operations refused; 0 when it was only watched or the mode is audit */
        __u32 rule, audit_rule;
        __u32 subject;
        __u32 pid, tgid, ppid;
        __u32 uid, fsuid, ouid, loginuid;
        __u32 dev;
        __u32 suppressed; /* records of this rule and process left out since the last one */
        __u64 ino;
        __u64 cgroup;
        char comm[16];
        __u32 path_len;
        __u32 reserved;
        char path[HW_EVENT_PATH_MAX]; /* only path_len bytes are sent */
};

enum hw_bpf_hook {
        HW_HOOK_OPEN,
        HW_HOOK_EXEC,
        HW_HOOK_MMAP,
        HW_HOOK_UNLINK,
        HW_HOOK_RMDIR,
        HW_HOOK_MKDIR,
        HW_HOOK_MKNOD,
        HW_HOOK_SYMLINK,
        HW_HOOK_LINK,
        HW_HOOK_RENAME,
        HW_HOOK_TRUNCATE,
        HW_HOOK_ATTRIBUTE,
        HW_HOOK_XATTR,
        HW_HOOK_LOCK,
        HW_HOOK_MOUNT,
        HW_HOOK_SOCKET_CREATE,
        HW_HOOK_SOCKET_BIND,
        HW_HOOK_SOCKET_CONNECT,
        HW_HOOK_SOCKET_LISTEN,
        HW_HOOK_SOCKET_ACCEPT,
        HW_HOOK_SOCKET_SEND,
        HW_HOOK_CAPABLE,
        HW_HOOKS,
};

#endif
