/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_PATH_H
#define HOSTWARD_PATH_H
/*
 * The path of a file from the root of its filesystem, led on by the place where the host mounts it: the same whatever
 * mount, namespace or root the caller goes through. Where the host mounts it several times it has several names. Names are read from the leaf to the root while no rename happens
 * anywhere (rename_lock), else again. Whoever includes this has declared struct hw_scratch and its maps before.
 */
#include <linux/errno.h>

#include "kernel.h"

extern const void rename_lock __ksym; /* seqlock_t begins with a struct seqcount */

#define HW_COMPONENTS_MAX 2048
#define HW_RENAME_TRIES 64
/* Looks at one that is under way, which the kernel waits for without end: its CPU may be a guest's that waits for its turn. */
#define HW_RENAME_LOOKS (1u << 22)

/* What hw_path_build() says beside errors. */
#define HW_PATH_HOST 0    /* a path of the host */
#define HW_PATH_ALONE 1   /* in no tree: a memfd, a pipe */
#define HW_PATH_FOREIGN 2 /* of a filesystem that the host does not mount, such as a container's */

static __always_inline __u32 rename_sequence(void) {
        return HW_READ((struct seqcount *)&rename_lock, sequence); /* 0 where it cannot be read: the loader has said so */
}

#define HW_NAME_BYTES 255
#define HW_WORD 8

/* A name of one to eight bytes, without what stands behind its place. False: there is no such memory. */
static __always_inline bool put_word(struct hw_scratch *s, __u32 at, const unsigned char *name, __u32 length) {
        __u64 *place = (__u64 *)&s->path[at & (HW_PATH_BUFFER - 1)];
        const __u64 word = hw_load_word(name), mask = ~0ull >> ((HW_WORD - length) * 8 & 63);

        *place = (*place & ~mask) | (word & mask);
        return word != 0;
}

/* Puts a name at its place in the path; most have two words at most, which cost far less than a call. */
static __always_inline bool put_name(struct hw_scratch *s, __u32 at, const unsigned char *name, __u32 length) {
        if (!hw_can_load() || length == 0 || length > 2 * HW_WORD)
                return bpf_probe_read_kernel(&s->path[at], length & HW_NAME_BYTES, name) >= 0;
        if (length <= HW_WORD)
                return put_word(s, at, name, length);
        return put_word(s, at, name, HW_WORD) && put_word(s, at + HW_WORD, name + HW_WORD, length - HW_WORD);
}

/* One name on. True at the end, with the outcome in `climbed`. */
static __always_inline bool climb_one(struct hw_scratch *s) {
        struct dentry *dentry = s->dentry, *parent;
        __u32 at = s->start, length;

        s->climbed = 0;
        if (dentry == s->root)
                return true;
        parent = HW_READ(dentry, d_parent);
        length = HW_READ(dentry, d_name.len);
        s->climbed = -ENAMETOOLONG;
        if (length > HW_NAME_BYTES || at <= length + HW_PATH_LEAST)
                return true;
        at = (at - length) & (HW_PATH_BUFFER - 1);
        s->climbed = -EFAULT;
        if (!parent || !put_name(s, at, HW_READ(dentry, d_name.name), length))
                return true;
        at = (at - 1) & (HW_PATH_BUFFER - 1);
        s->path[at] = '/';
        s->start = at;
        s->dentry = parent;
        s->climbed = parent == dentry ? HW_PATH_ALONE : -ENAMETOOLONG;
        return parent == dentry;
}

#define HW_CLIMB_CHUNK 4

static long climb_some(__u32 index, struct hw_scratch **scratch) {
        (void)index;
        for (__u32 i = 0; i < HW_CLIMB_CHUNK; i++)
                if (climb_one(*scratch))
                        return 1;
        return 0;
}

struct hw_subtree {
        const struct hw_scratch *scratch;
        const struct hw_mount_entry *entry;
        __u32 inside;
};

static long subtree_byte(__u32 i, struct hw_subtree *c) {
        const __u32 at = c->scratch->start + i;
        const char byte = c->scratch->path[at & (HW_PATH_BUFFER - 1)];

        if (i == c->entry->strip_len) {
                c->inside = at == HW_PATH_END || byte == '/';
                return 1;
        }
        return byte != c->entry->strip[i & (HW_MOUNT_PREFIX - 1)];
}

/* Whether the path lies in the subtree that the entry mounts. */
static __always_inline bool in_subtree(const struct hw_scratch *s, const struct hw_mount_entry *e) {
        struct hw_subtree c = { .scratch = s, .entry = e };

        if (e->strip_len == 0)
                return true;
        (void)bpf_loop(HW_MOUNT_PREFIX, subtree_byte, &c, 0);
        return c.inside;
}

struct hw_lead {
        struct hw_scratch *scratch;
        const struct hw_mount *mount;
        int led;
};

static long try_entry(__u32 index, struct hw_lead *c) {
        struct hw_scratch *s = c->scratch;
        const struct hw_mount_entry *e = &c->mount->entry[s->entry & (HW_MOUNT_ENTRIES - 1)];
        __u32 length, at;

        (void)index;
        if (s->entry >= c->mount->n)
                return 1;
        s->entry++;
        if (!in_subtree(s, e))
                return 0;
        length = e->add_len & (HW_MOUNT_PREFIX - 1);
        at = (s->start + e->strip_len - length) & (HW_PATH_BUFFER - 1);
        if (length > 0)
                (void)bpf_probe_read_kernel(&s->path[at], length, e->add);
        s->start = at;
        c->led = 1;
        return 1;
}

/*
 * Puts the next mount point that holds it before the path in the scratch. 0: there is no other, or the filesystem is not
 * mounted on the host.
 */
__noinline int hw_lead_on(struct hw_scratch *s, __u32 dev) {
        struct hw_lead c = { .scratch = s };

        if (!s)
                return 0;
        s->start = s->own;
        if (dev == hw_plain_device())
                return s->entry++ == 0;
        c.mount = bpf_map_lookup_elem(&mounts, &dev);
        if (!c.mount)
                return 0;
        (void)bpf_loop(HW_MOUNT_ENTRIES, try_entry, &c, 0);
        s->more = s->entry < c.mount->n;
        return c.led;
}

/* Every mount of proc and sysfs shows the same things, whoever made it. */
static __always_inline bool lead_on_alike(struct hw_scratch *s, struct super_block *sb) {
        const unsigned long magic = HW_READ(sb, s_magic);
        const __u32 length = magic == PROC_SUPER_MAGIC ? 5 : 4;
        const __u32 at = (s->start - length) & (HW_PATH_BUFFER - 1);

        if (magic != PROC_SUPER_MAGIC && magic != SYSFS_MAGIC)
                return false;
        (void)bpf_probe_read_kernel(&s->path[at], length, magic == PROC_SUPER_MAGIC ? "/proc" : "/sys");
        s->start = at;
        return true;
}

struct hw_build {
        struct hw_scratch *scratch;
        struct dentry *dentry;
        __u32 is_directory;
        int result;
};

/* A file of the host that was opened by handle when nobody knew its name: it has a path, and it cannot be told. */
static __always_inline bool is_nameless(struct dentry *top, __u32 dev) {
        return (HW_READ(top, d_flags) & DCACHE_DISCONNECTED) && bpf_map_lookup_elem(&mounts, &dev);
}

static long look_for_pause(__u32 index, void *nothing) {
        (void)index, (void)nothing;
        return !(rename_sequence() & 1);
}

static long build_once(__u32 index, struct hw_build *c) {
        struct hw_scratch *s = c->scratch;
        __u32 sequence = rename_sequence();

        (void)index;
        if (sequence & 1) {
                (void)bpf_loop(HW_RENAME_LOOKS, look_for_pause, NULL, 0);
                sequence = rename_sequence();
        }
        s->dentry = c->dentry;
        s->start = HW_PATH_END;
        s->path[HW_PATH_END - 1] = '/';
        if (c->is_directory)
                s->start--;
        (void)bpf_loop(HW_COMPONENTS_MAX / HW_CLIMB_CHUNK, climb_some, &s, 0);
        if ((sequence & 1) || sequence != rename_sequence())
                return 0;
        c->result = s->climbed;
        return 1;
}

/*
 * Writes the path of a dentry, given by its address, into the scratch; `is_directory` adds a final slash. HW_PATH_*,
 * -ENAMETOOLONG, -EFAULT, -ENOENT for a file of the host without a name, or -EAGAIN when renames never paused.
 */
__noinline int hw_path_build(struct hw_scratch *s, __u64 address, __u32 is_directory) {
        struct dentry *dentry = (struct dentry *)address;
        struct super_block *sb = HW_READ(dentry, d_sb);
        struct hw_build c = { s, dentry, is_directory, -EAGAIN };

        if (!s)
                return -EFAULT;
        s->root = HW_READ(sb, s_root);
        s->end = HW_PATH_END;
        s->entry = s->more = 0;
        (void)bpf_loop(HW_RENAME_TRIES, build_once, &c, 0);
        s->own = s->start;
        if (c.result == HW_PATH_HOST && !hw_lead_on(s, HW_READ(sb, s_dev)) && !lead_on_alike(s, sb))
                return HW_PATH_FOREIGN;
        if (c.result == HW_PATH_ALONE && is_nameless(s->dentry, HW_READ(sb, s_dev)))
                return -ENOENT;
        if (c.result == -EAGAIN)
                hw_lost(HW_LOSS_RACE);
        return c.result;
}

#endif
