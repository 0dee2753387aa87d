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

/*
 * Where a filesystem is mounted on the host; the key is its device as the kernel has it (s_dev). A path has a name by
 * each entry that holds it. By the first it is judged as a whole; by the others rules can only refuse more.
 */
#define HW_MOUNT_ENTRIES 16
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
#define HW_HOST_MAPS 10

struct hw_host {
        __u32 mnt_ns; /* number of the host's mount namespace */
        __u32 sensor; /* the living daemon's pid, 0: there is none */
        __u32 bindings; /* whether there may be any */
        __u32 plain; /* the filesystem whose paths are those of the host and that is mounted nowhere else, 0: none */
        __u32 maps[HW_HOST_MAPS]; /* ids of the maps that nobody else may write */
};

/*
 * A file that had several names when a rule that speaks of one of them came: by each other name that rule counts too.
 * The key says which rule set the states belong to; an inode's number is used again, its generation is not.
 */
#define HW_BINDINGS_MAX 32768 /* those of two rule sets during a swap */
#define HW_BINDING_NAMES 4
#define HW_BINDING_PATH 220

struct hw_binding_key {
        __u64 generation, ino;
        __u32 dev, inode_generation;
};

struct hw_binding_name {
        __u32 automata; /* struct hw_tbl_walk of the path, at its end */
        __u32 state[8];
        char path[HW_BINDING_PATH]; /* NUL-terminated; empty: too long to be kept for the next rule set */
};

struct hw_binding {
        __u32 n;
        __u32 reserved;
        struct hw_binding_name name[HW_BINDING_NAMES];
};

/* What the iterators over open files write: one of these, then path_len bytes (bpf/held.bpf.h). */
#define HW_OPEN_FILE_PATH 256 /* longer ones are cut */

struct hw_open_file {
        __u64 ino;
        __u32 dev, inode_generation;
        __u32 tgid;
        __u32 fd;
        __u32 denied; /* operations */
        __u32 rule; /* index plus one, 0: none */
        __u32 path_len;
        __u32 listed; /* no rule refuses it, a list does not allow it */
        char comm[16];
};

/*
 * What was lost of what should have been told, by cause. In the map each has a second place, at HW_LOSSES + cause, where
 * the daemon keeps how many it told already, so that another life of it tells none twice.
 */
enum hw_loss {
        HW_LOSS_RING,      /* denials, or attempts on the sensor: the ring was full */
        HW_LOSS_RESERVE,   /* what was only watched: the rest of the ring is for denials */
        HW_LOSS_SCRATCH,   /* no room to work in: a record is missing or lacks paths */
        HW_LOSS_RACE,      /* a path that renames kept changing: the same */
        HW_LOSS_THROTTLED, /* suppressed, and its place was taken before the number was told */
        HW_LOSSES
};

/* Why something is refused. */
enum hw_bpf_cause {
        HW_CAUSE_RULES,    /* a rule, or a list */
        HW_CAUSE_LONG,     /* its path is longer than PATH_MAX, so that no rule can be asked */
        HW_CAUSE_NAMELESS, /* it has a path, and it cannot be told */
        HW_CAUSE_RENAMES,  /* they kept changing it */
        HW_CAUSE_ARGUMENTS, /* of an exec with a condition: its arguments could not be read, or the rules changed meanwhile */
        HW_CAUSE_QUERY,    /* what goes to a server of DNS is no whole query, so that no rule can be asked */
        HW_CAUSES
};

enum hw_bpf_class { HW_BPF_PATH = 1, HW_BPF_SOCKET = 2, HW_BPF_CAPABILITY = 3, HW_BPF_GUARD = 4, HW_BPF_QUERY = 5 };

#define HW_EVENT_PATH_MAX 4096
#define HW_EVENT_PARENTS 8

/* A process above; start and exec as in struct hw_bpf_event. */
struct hw_bpf_parent {
        __u64 start, exec;
        __u32 tgid, reserved;
        char comm[16];
};

/*
 * What was denied or watched, or tried on the sensor. Up to `time` it says who acted and under which rule, which the
 * records of one rule and process have in common.
 */
struct hw_bpf_event {
        __u64 generation;
        __u64 start; /* of the process, CLOCK_BOOTTIME ns: with tgid and exec its exec id, over reuse of pids */
        __u64 exec; /* grows with each exec of the process */
        __u64 cgroup;
        __u32 class; /* enum hw_bpf_class */
        __u32 hook; /* enum hw_bpf_hook */
        __u32 requested; /* operations asked for, bit i = HW_TBL operation i; socket kind; capability; guard.h */
        __u32 denied; /* operations that the rules refuse; whether they were is also a matter of mode */
        __u32 mode; /* enum hw_bpf_mode */
        __u32 rule, audit_rule; /* indexes into the table's rules, plus one; 0: none */
        __u32 subject;
        __u32 pid, tgid;
        __u32 uid, fsuid, ouid, loginuid;
        __u32 cause; /* enum hw_bpf_cause */
        __u32 reserved;
        char comm[16];
        __u64 time; /* CLOCK_BOOTTIME, ns */
        __u64 ino;
        __u32 dev;
        __u32 suppressed; /* records of this rule and process left out since the last one */
        char tty[32];
        struct hw_bpf_parent parent[HW_EVENT_PARENTS]; /* nearest first */
        __u32 parents, path_len, exe_len, cwd_len;
        char text[3 * HW_EVENT_PATH_MAX]; /* path, program, directory, one behind the other; only what is used is sent */
};

/* A place of the throttle: the records of one rule and process. */
#define HW_THROTTLE_PLACES 1024
#define HW_THROTTLE_WINDOW_NS 1000000000ull
#define HW_THROTTLE_RECORDS 10 /* in a window */
#define HW_EVENT_COMMON __builtin_offsetof(struct hw_bpf_event, time)

struct hw_throttle {
        __u64 owner; /* rule and process in one number, 0: free */
        __u64 since; /* begin of the window, CLOCK_BOOTTIME ns */
        __u32 passed; /* in this window */
        __u32 suppressed; /* since the last record */
        __u64 common[HW_EVENT_COMMON / 8]; /* of the first record */
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
        HW_HOOK_SOCKET_RECEIVE,
        HW_HOOK_CAPABLE,
        HW_HOOK_QUERY,
        HW_HOOK_GUARD_KILL,
        HW_HOOK_GUARD_TRACE,
        HW_HOOK_GUARD_MAP,
        HW_HOOK_GUARD_PIN,
        HW_HOOK_GUARD_UNMOUNT,
        HW_HOOK_GUARD_LIMIT,
        HW_HOOKS,
};

#endif
