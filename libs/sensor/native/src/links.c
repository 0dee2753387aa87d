/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "hash.h"
#include "links.h"

struct link {
        const char *path, *target;
};

/* The next one of a sound list; false at its end. */
static bool next(struct hw_slice *links, struct link *ret) {
        if (links->len == 0)
                return false;
        ret->path = (const char *)links->data;
        ret->target = ret->path + strlen(ret->path) + 1;
        links->len -= (size_t)(ret->target + strlen(ret->target) + 1 - ret->path);
        links->data = (const uint8_t *)(ret->target + strlen(ret->target) + 1);
        return true;
}

bool hw_links_are_sound(struct hw_slice links) {
        struct link link;
        size_t nuls = 0;

        if (links.len && links.data[links.len - 1] != 0)
                return false;
        for (size_t i = 0; i < links.len; i++)
                nuls += links.data[i] == 0;
        if (nuls % 2)
                return false;
        while (next(&links, &link))
                if (link.path[0] != '/' || strlen(link.path) >= PATH_MAX || strlen(link.target) >= PATH_MAX)
                        return false;
        return true;
}

/* Into `ret`, of PATH_MAX bytes; empty for what is no link. False where that is not known. */
static bool read_link(const char *path, char *ret) {
        const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                                      .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS };
        _cleanup_close_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
        ssize_t n;

        ret[0] = 0;
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR;
        n = readlinkat(fd, "", ret, PATH_MAX - 1);
        if (n < 0)
                return errno == ENOENT || errno == EINVAL; /* ENOENT: of what is no link, by an empty name */
        ret[n] = 0;
        return true;
}

uint64_t hw_links_unlike(struct hw_slice links) {
        uint64_t hash = 0;
        char target[PATH_MAX];
        struct link link;

        while (next(&links, &link)) {
                if (!read_link(link.path, target) || strcmp(target, link.target) == 0)
                        continue;
                hash = hash ? hash : HW_HASH_BASIS;
                hash = hw_hash_mix(hash, link.path, strlen(link.path) + 1);
                hash = hw_hash_mix(hash, target, strlen(target) + 1);
        }
        return hash;
}
