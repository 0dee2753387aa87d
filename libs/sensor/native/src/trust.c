/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "clean.h"
#include "file.h"
#include "log.h"
#include "trust.h"

static bool is_kept(int dirfd, const char *name, struct hw_slice bytes) {
        _cleanup_buffer_ struct hw_buffer old = { 0 };

        return hw_read_file(dirfd, name, bytes.len, &old) == 0 && old.len == bytes.len &&
               memcmp(old.data, bytes.data, bytes.len) == 0;
}

static int keep(int dirfd, const char *name, struct hw_slice bytes) {
        int r;

        if (bytes.len == 0 || is_kept(dirfd, name, bytes))
                return 0;
        r = hw_write_atomic(dirfd, name, bytes.data, bytes.len, 0644); /* the compiler is nobody in particular */
        if (r < 0)
                hw_error("what is trusted cannot be written, the old file stays file=%s error=%s", name, strerror(-r));
        return r;
}

int hw_trust_keep(const char *dir, const struct hw_table *t) {
        _cleanup_close_ int dirfd = -1;
        int r;

        if (t->root.len == 0 && t->minimum_versions.len == 0)
                return 0;
        dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dirfd < 0)
                return -errno;
        r = keep(dirfd, "minimum-versions.json", t->minimum_versions);
        return r < 0 ? r : keep(dirfd, "root.json", t->root);
}
