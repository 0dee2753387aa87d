/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boots.h"
#include "clean.h"
#include "clock.h"
#include "file.h"
#include "log.h"

#define BOOTS "boots"
#define GUARD_MS (3600ull * 1000)

void hw_boot_id(char ret[64]) {
        if (hw_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret, 64) < 0 || strlen(ret) != 36)
                strcpy(ret, "unknown");
}

/* Over what is there, which takes no room of a full disk; a line that is torn counts as none. */
static int write_over(int dirfd, const char *line, size_t len) {
        _cleanup_close_ int fd = openat(dirfd, BOOTS, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        int r = fd < 0 ? -errno : hw_write_all(fd, line, len);

        if (r < 0)
                return r;
        return ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static void store(int dirfd, const char *id, unsigned int count) {
        char line[128];
        int n = snprintf(line, sizeof line, "%s %u\n", id, count);
        int r = write_over(dirfd, line, (size_t)n);

        if (r < 0)
                hw_warn("the count of boots cannot be written error=%s", strerror(-r));
}

/* Boots in a row that were not confirmed healthy, this one included. */
static unsigned int count_boot(int dirfd) {
        char line[128], id[64], last[64] = "";
        unsigned int count = 0;

        hw_boot_id(id);
        if (hw_read_line(dirfd, BOOTS, line, sizeof line) == 0 && sscanf(line, "%63s %u", last, &count) != 2)
                count = 0;
        if (strcmp(last, id) == 0)
                return count;
        count = count < 1000 ? count + 1 : count;
        store(dirfd, id, count);
        return count;
}

bool hw_boots_guard(int dirfd, struct hw_memory *m) {
        const unsigned int boots = count_boot(dirfd);

        if (boots <= HW_BOOTS_MAX || (m->suspension.active && !hw_suspension_over(m, hw_wall_ms())))
                return false;
        m->suspension = (struct hw_suspension){ .active = true, .mode = HW_MODE_AUDIT, .by = HW_BY_BOOT_GUARD,
                                                .until = hw_wall_ms() + GUARD_MS };
        (void)snprintf(m->suspension.reason, sizeof m->suspension.reason,
                       "%u boots in a row were not confirmed healthy", boots - 1);
        m->seen_at = hw_wall_ms();
        hw_error("the audit variant is loaded reason=%s", m->suspension.reason);
        return true;
}

void hw_boots_healthy(int dirfd) {
        char id[64];

        hw_boot_id(id);
        store(dirfd, id, 0);
}
