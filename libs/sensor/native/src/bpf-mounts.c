/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf-mounts.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "file.h"
#include "hostward-bpf.h"
#include "log.h"

#define MOUNTINFO_BYTES_MAX (16u << 20)
#define FILESYSTEMS_MAX 4096

struct filesystem {
        uint32_t dev;
        struct hw_mount mount;
        bool held[HW_MOUNT_ENTRIES]; /* an earlier entry has the same files: this one is another name for them */
};

/* Mounts that files have no name by, for each its reason. */
struct left_out {
        size_t n;
        char first[HW_MOUNT_PREFIX];
};

/*
 * What every program needs. Where a mount shows one of these once more, a rule on the place of that mount, made for what
 * else is below it, would refuse the system to itself; so by such a mount nothing has another name.
 */
static const char *const system_places[] = { "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/bin", "/sbin",
                                             "/lib",     "/lib64",    "/etc",     "/dev",         "/run", "/proc",
                                             "/sys",     "/usr/lib/hostward", "/var/lib/hostward" };

/* The kernel writes space, tab, newline and backslash as three octal digits. */
static bool unescape(const char *text, size_t len, char *ret, uint16_t *ret_len) {
        size_t n = 0;

        for (size_t i = 0; i < len; i++, n++) {
                if (n >= HW_MOUNT_PREFIX - 1)
                        return false;
                ret[n] = text[i];
                if (text[i] != '\\' || i + 3 >= len)
                        continue;
                ret[n] = (char)((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
                i += 3;
        }
        if (n == 1 && ret[0] == '/')
                n = 0;
        *ret_len = (uint16_t)n;
        return true;
}

/* Whether the subtree of `outer` holds that of `inner`: then the paths through `outer` say it all. */
static bool holds(const struct hw_mount_entry *outer, const struct hw_mount_entry *inner) {
        return outer->strip_len <= inner->strip_len && memcmp(outer->strip, inner->strip, outer->strip_len) == 0 &&
               (outer->strip_len == inner->strip_len || inner->strip[outer->strip_len] == '/');
}

/* Whether a mount shows, once more, the place of the host where `outer` has it, and with it a part of the system. */
static bool shows_system(const struct hw_mount_entry *outer, const struct hw_mount_entry *inner) {
        char place[2 * HW_MOUNT_PREFIX];
        const int len = snprintf(place, sizeof place, "%.*s%.*s", outer->add_len, outer->add,
                                 inner->strip_len - outer->strip_len, inner->strip + outer->strip_len);

        for (size_t i = 0; i < HW_LEN(system_places); i++)
                if (strncmp(system_places[i], place, (size_t)len) == 0 &&
                    (system_places[i][len] == '/' || system_places[i][len] == 0))
                        return true;
        return false;
}

static const struct hw_mount_entry *holder_of(const struct hw_mount *m, const struct hw_mount_entry *e) {
        for (uint32_t i = 0; i < m->n; i++)
                if (holds(&m->entry[i], e))
                        return &m->entry[i];
        return NULL;
}

static void leave_out(struct left_out *left, const char *place, int length) {
        if (left->n++ == 0)
                (void)snprintf(left->first, sizeof left->first, "%.*s", length, place);
}

/* Makes room for what alone shows its files, at the cost of the last that does not. */
static void drop_held(struct filesystem *fs, struct left_out *left) {
        for (uint32_t i = fs->mount.n; i-- > 0;) {
                if (!fs->held[i])
                        continue;
                left->n++;
                fs->mount.n--;
                memmove(&fs->mount.entry[i], &fs->mount.entry[i + 1], (fs->mount.n - i) * sizeof fs->mount.entry[0]);
                memmove(&fs->held[i], &fs->held[i + 1], (fs->mount.n - i) * sizeof fs->held[0]);
                return;
        }
}

static void add(struct filesystem *fs, const struct hw_mount_entry *e, struct left_out *left) {
        struct hw_mount *m = &fs->mount;
        const struct hw_mount_entry *holder = holder_of(m, e);

        if (!holder && m->n == HW_MOUNT_ENTRIES)
                drop_held(fs, left);
        if (m->n == HW_MOUNT_ENTRIES || (holder && shows_system(holder, e))) {
                leave_out(left, e->add, e->add_len);
                return;
        }
        fs->held[m->n] = holder != NULL;
        m->entry[m->n++] = *e;
}

/* A line: id parent major:minor root mountpoint ... False: it is none, or has a path that is longer than a prefix may be. */
static bool read_line(const char *line, uint32_t *ret_dev, struct hw_mount_entry *ret, struct left_out *left) {
        unsigned int major, minor;
        int root, root_end, point, point_end;

        *ret = (struct hw_mount_entry){ 0 };
        if (sscanf(line, "%*u %*u %u:%u %n%*s%n %n%*s%n", &major, &minor, &root, &root_end, &point, &point_end) != 2)
                return false;
        *ret_dev = major << 20 | minor; /* as the kernel has it inside */
        if (unescape(line + root, (size_t)(root_end - root), ret->strip, &ret->strip_len) &&
            unescape(line + point, (size_t)(point_end - point), ret->add, &ret->add_len))
                return true;
        leave_out(left, line + point, point_end - point);
        return false;
}

static struct filesystem *find(struct filesystem *list, size_t *n, uint32_t dev) {
        for (size_t i = 0; i < *n; i++)
                if (list[i].dev == dev)
                        return &list[i];
        if (*n == FILESYSTEMS_MAX)
                return NULL;
        list[*n] = (struct filesystem){ .dev = dev };
        return &list[(*n)++];
}

static size_t collect(char *text, struct filesystem *list, struct left_out *left) {
        size_t n = 0;

        for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct hw_mount_entry entry;
                struct filesystem *fs;
                uint32_t dev;

                if (!read_line(line, &dev, &entry, left))
                        continue;
                fs = find(list, &n, dev);
                if (fs)
                        add(fs, &entry, left);
                else
                        leave_out(left, entry.add, entry.add_len);
        }
        return n;
}

/* What did not change stays untouched. */
static int tell_mount(const struct hw_bpf *b, const struct filesystem *fs) {
        struct hw_mount before;
        int r = hw_bpf_map_lookup(b->mounts, &fs->dev, &before);
        const bool was_there = r == 0;

        if (was_there && memcmp(&before, &fs->mount, sizeof before) == 0)
                return 0;
        r = hw_bpf_map_update(b->mounts, &fs->dev, &fs->mount);
        return r == 0 && was_there ? hw_bpf_wait(b) : r;
}

/* Those that are not mounted any more: how many, at most 64 at a time. */
static size_t forget(int fd, const struct filesystem *list, size_t n) {
        uint32_t gone[64], key, *previous = NULL;
        size_t n_gone = 0;

        while (n_gone < HW_LEN(gone) && hw_bpf_map_next(fd, previous, &key) == 0) {
                bool found = false;

                for (size_t i = 0; i < n; i++)
                        found = found || list[i].dev == key;
                if (!found)
                        gone[n_gone++] = key;
                previous = &key;
        }
        for (size_t i = 0; i < n_gone; i++)
                (void)hw_bpf_map_delete(fd, &gone[i]);
        return n_gone;
}

/* The filesystem that is mounted whole on "/" and nowhere else, so that its paths need not be led on; 0: none is. */
static uint32_t plain_of(const struct filesystem *list, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct hw_mount *m = &list[i].mount;

                if (m->n == 1 && m->entry[0].strip_len == 0 && m->entry[0].add_len == 0)
                        return list[i].dev;
        }
        return 0;
}

/* Sensing alone has no map for it, and asks about each mount. */
static int tell_plain(const struct hw_bpf *b, uint32_t dev) {
        const uint32_t zero = 0;
        struct hw_host host;
        int r = b->host < 0 ? 0 : hw_bpf_map_lookup(b->host, &zero, &host);

        if (b->host < 0 || r < 0 || host.plain == dev)
                return r;
        host.plain = dev;
        return hw_bpf_map_update(b->host, &zero, &host);
}

int hw_bpf_mounts(struct hw_bpf *b) {
        _cleanup_buffer_ struct hw_buffer text = { 0 };
        _cleanup_free_ struct filesystem *list = calloc(FILESYSTEMS_MAX, sizeof *list);
        struct left_out left = { 0 };
        size_t n;
        int r = hw_read_file(AT_FDCWD, HW_MOUNTINFO, MOUNTINFO_BYTES_MAX, &text);

        if (r < 0)
                return r;
        hw_buffer_add(&text, "", 1);
        if (text.failed || !list)
                return -ENOMEM;
        n = collect((char *)text.data, list, &left);
        if (left.n > 0 && left.n != b->left_out)
                hw_warn("files have no name by some mounts, which show the system, are too many or have too long a path mounts=%zu first=%s",
                        left.n, left.first);
        b->left_out = left.n;
        for (size_t i = 0; i < n && r == 0; i++)
                r = tell_mount(b, &list[i]);
        if (r == 0)
                r = tell_plain(b, plain_of(list, n));
        if (forget(b->mounts, list, n) > 0 && r == 0)
                r = hw_bpf_wait(b);
        return r;
}
