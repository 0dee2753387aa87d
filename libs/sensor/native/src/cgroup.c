/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "cgroup.h"
#include "clean.h"
#include "file.h"

#define CONTAINER_DIGITS 64
#define HANDLE_OF_KERNFS 0xfe /* FILEID_KERNFS of linux/exportfs.h: the handle is the id */

/* Where the unified tree is mounted: alone, or beside the old ones. */
static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

static int open_by_id(const char *root, uint64_t id) {
        union {
                struct file_handle handle;
                char room[sizeof(struct file_handle) + sizeof id];
        } h = { .handle = { .handle_bytes = sizeof id, .handle_type = HANDLE_OF_KERNFS } };
        _cleanup_close_ int mount = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        memcpy(h.room + sizeof(struct file_handle), &id, sizeof id);
        return mount < 0 ? -1 : open_by_handle_at(mount, &h.handle, O_PATH | O_CLOEXEC);
}

static bool path_below(int fd, const char *root, char *ret, size_t size) {
        char link[64], path[HW_ACTOR_PATH_MAX + 64];
        const size_t len = strlen(root);
        ssize_t n;

        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof path - 1);
        if (n <= 0 || (size_t)n < len || memcmp(path, root, len) != 0)
                return false;
        path[n] = 0;
        (void)snprintf(ret, size, "%s", path[len] ? path + len : "/");
        return true;
}

static void look_up(uint64_t id, char *ret, size_t size) {
        for (size_t i = 0; i < HW_LEN(roots); i++) {
                _cleanup_close_ int fd = open_by_id(roots[i], id);

                if (fd >= 0 && path_below(fd, roots[i], ret, size))
                        return;
        }
}

/* Of the latest: a cgroup keeps its path as long as it lives, and its id is given to no other. */
static struct {
        uint64_t id;
        char *path;
} known[64];

void hw_cgroup_path(uint64_t id, char *ret, size_t size) {
        const size_t slot = id % HW_LEN(known);
        char *copy;

        *ret = 0;
        if (!id)
                return;
        if (known[slot].id == id) {
                (void)snprintf(ret, size, "%s", known[slot].path);
                return;
        }
        look_up(id, ret, size);
        copy = *ret ? strdup(ret) : NULL;
        if (!copy)
                return;
        free(known[slot].path);
        known[slot].path = copy;
        known[slot].id = id;
}

void hw_container_of(const char *cgroup, char ret[65]) {
        size_t run = 0;

        *ret = 0;
        for (const char *p = cgroup;; p++) {
                if (isxdigit((unsigned char)*p)) {
                        run++;
                        continue;
                }
                if (run == CONTAINER_DIGITS) {
                        memcpy(ret, p - CONTAINER_DIGITS, CONTAINER_DIGITS);
                        ret[CONTAINER_DIGITS] = 0;
                }
                run = 0;
                if (!*p)
                        return;
        }
}

bool hw_in_unit(int64_t pid, const char *unit) {
        char path[64], line[512], wanted[128];
        const char *group;

        (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/cgroup", pid);
        (void)snprintf(wanted, sizeof wanted, "/system.slice/%s", unit);
        if (hw_read_line(AT_FDCWD, path, line, sizeof line) < 0)
                return false;
        for (group = line; group && strncmp(group, "0::", 3) != 0; group = strchr(group, '\n'))
                group += *group == '\n'; /* only at the start of a line: what follows is chosen by users */
        if (!group || strncmp(group + 3, wanted, strlen(wanted)) != 0)
                return false;
        return strchr("/\n", group[3 + strlen(wanted)]) != NULL; /* also matches the final NUL */
}
