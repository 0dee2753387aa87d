/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "clean.h"
#include "companions.h"
#include "coverage.h"
#include "file.h"
#include "log.h"
#include "policy-blob.h"
#include "profiles.h"

#define SEEN_MAX 256
#define NAME_MAX_BYTES 512
#define RAW_DATA_MAX (16u << 20) /* of one foreign profile, and of all that is added */

struct gathering {
        const char *securityfs;
        const struct hw_table *before;
        struct hw_buffer *out;
        size_t own; /* bytes of `out` that were there */
        char seen[SEEN_MAX][NAME_MAX_BYTES];
        size_t n_seen;
};

struct pick {
        const char *name;
        struct hw_slice bytes;
};

static int pick_profile(struct hw_slice name, struct hw_slice bytes, void *userdata) {
        struct pick *pick = userdata;

        if (hw_slice_is(name, pick->name))
                pick->bytes = bytes;
        return 0;
}

static struct hw_slice find_in(struct hw_slice blob, const char *name) {
        struct pick pick = { .name = name };

        return hw_blob_walk(blob, pick_profile, &pick) < 0 ? (struct hw_slice){ 0 } : pick.bytes;
}

/* The directory of a profile that is loaded now. */
static int open_profile(const char *securityfs, const char *wanted) {
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        char path[4096], name[NAME_MAX_BYTES];
        int n = snprintf(path, sizeof path, "%s/apparmor/policy/profiles", securityfs);

        dir = n > 0 && (size_t)n < sizeof path ? opendir(path) : NULL;
        while (dir && (entry = readdir(dir))) {
                int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (fd < 0)
                        continue;
                if (hw_read_line(fd, "name", name, sizeof name) == 0 && strcmp(name, wanted) == 0)
                        return fd;
                (void)close(fd);
        }
        return -ENOENT;
}

/* What loaded a profile, as the kernel keeps it; a child profile came with its parent. */
static int read_kernel_copy(const char *securityfs, const char *name, struct hw_buffer *ret_raw,
                            struct hw_slice *ret_bytes) {
        _cleanup_close_ int fd = -1;
        char parent[NAME_MAX_BYTES];
        int r;

        (void)snprintf(parent, sizeof parent, "%.*s", (int)(sizeof parent - 1), name);
        if (strstr(parent, "//"))
                *strstr(parent, "//") = 0;
        fd = open_profile(securityfs, parent);
        r = fd < 0 ? fd : hw_read_file(fd, "raw_data", RAW_DATA_MAX, ret_raw);
        if (r < 0)
                return r;
        *ret_bytes = find_in((struct hw_slice){ ret_raw->data, ret_raw->len }, name);
        return ret_bytes->len ? 0 : -ENODATA;
}

static void add(struct gathering *g, const char *name) {
        _cleanup_buffer_ struct hw_buffer raw = { 0 };
        struct hw_slice bytes = { 0 };
        int r = 0;

        if (find_in((struct hw_slice){ g->out->data, g->out->len }, name).len)
                return;
        if (g->before)
                bytes = find_in(g->before->blobs[HW_MODE_OFF], name);
        if (bytes.len == 0)
                r = read_kernel_copy(g->securityfs, name, &raw, &bytes);
        if (r == 0 && g->out->len - g->own + bytes.len > RAW_DATA_MAX)
                r = -EFBIG;
        if (r < 0)
                hw_warn("a profile cannot be loaded along, processes stacked with it keep older rules profile=%s error=%s",
                        name, strerror(-r));
        else
                hw_buffer_add(g->out, bytes.data, bytes.len);
}

static int add_leftover(const char *name, void *userdata) {
        if (strcmp(name, HW_CATCH_ALL) == 0 || hw_label_in_use(name))
                add(userdata, name);
        return 0;
}

static int add_stacked(const char *name, void *userdata) {
        struct gathering *g = userdata;

        if (strcmp(name, "unconfined") == 0 || name[0] == ':' || strlen(name) >= NAME_MAX_BYTES)
                return 0; /* not replaced by anybody; of a namespace of its own */
        for (size_t i = 0; i < g->n_seen; i++)
                if (strcmp(g->seen[i], name) == 0)
                        return 0;
        if (g->n_seen == SEEN_MAX) {
                hw_warn("too many profiles are stacked with ours, one is not loaded along profile=%s", name);
                return 0;
        }
        (void)snprintf(g->seen[g->n_seen++], NAME_MAX_BYTES, "%s", name);
        add(g, name);
        return 0;
}

void hw_companions_add(const char *securityfs, const struct hw_table *before, struct hw_buffer *out) {
        _cleanup_free_ struct gathering *g = calloc(1, sizeof *g);

        if (!g)
                return;
        g->securityfs = securityfs;
        g->before = before;
        g->out = out;
        g->own = out->len;
        (void)hw_profiles_each_loaded(securityfs, add_leftover, g);
        hw_label_each_stacked(add_stacked, g);
}
