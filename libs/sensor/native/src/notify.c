/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clean.h"
#include "notify.h"

#define PATIENT_MS (5 * 60 * 1000)

static unsigned int patient;

void hw_notify(const char *state) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;
        size_t len = path ? strlen(path) : 0;

        if (len < 2 || len >= sizeof to.sun_path)
                return;
        memcpy(to.sun_path, path, len);
        if (to.sun_path[0] == '@')
                to.sun_path[0] = 0;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0)
                (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

uint64_t hw_watchdog_ms(void) {
        const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

        if (!usec || (pid && strtoul(pid, NULL, 10) != (unsigned long)getpid()))
                return 0;
        return strtoull(usec, NULL, 10) / 2000;
}

static void set_watchdog(uint64_t ms) {
        char state[64];

        if (ms == 0)
                return;
        (void)snprintf(state, sizeof state, "WATCHDOG=1\nWATCHDOG_USEC=%" PRIu64, ms * 1000);
        hw_notify(state);
}

void hw_watchdog_patient(void) {
        if (patient++ == 0 && hw_watchdog_ms() > 0)
                set_watchdog(HW_MAX(2 * hw_watchdog_ms(), (uint64_t)PATIENT_MS));
}

void hw_watchdog_usual(void) {
        if (--patient == 0)
                set_watchdog(2 * hw_watchdog_ms());
}
