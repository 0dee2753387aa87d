/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "boots.h"
#include "file.h"
#include "log.h"

#define BOOTS "boots"

void hw_boot_id(char ret[64]) {
        if (hw_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret, 64) < 0 || strlen(ret) != 36)
                strcpy(ret, "unknown");
}

static void store(int dirfd, const char *id, unsigned int count) {
        char line[128];
        int n = snprintf(line, sizeof line, "%s %u\n", id, count);
        int r = hw_write_atomic(dirfd, BOOTS, line, (size_t)n, 0600);

        if (r < 0)
                hw_warn("the count of boots cannot be written error=%s", strerror(-r));
}

unsigned int hw_boots_count(int dirfd) {
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

void hw_boots_healthy(int dirfd) {
        char id[64];

        hw_boot_id(id);
        store(dirfd, id, 0);
}
