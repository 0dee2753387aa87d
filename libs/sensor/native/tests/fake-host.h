/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_FAKE_HOST_H
#define HOSTWARD_FAKE_HOST_H
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "check.h"
#include "daemon.h"

#define AGENT 1234

/* A daemon of AppArmor on a host that is a folder: its state, and in `kernel` what stands in for securityfs. */

static void make_host(const char *dir, char *ret_securityfs, size_t size) {
        char path[160];

        (void)snprintf(ret_securityfs, size, "%s/kernel", dir);
        CHECK(mkdir(ret_securityfs, 0700) == 0);
        for (const char *const *part = (const char *const[]){ "", "/policy", "/policy/profiles", NULL }; *part; part++) {
                (void)snprintf(path, sizeof path, "%s/apparmor%s", ret_securityfs, *part);
                CHECK(mkdir(path, 0700) == 0);
        }
}

static void start_daemon(struct hw_daemon *d, const struct hw_options *options, const char *dir) {
        *d = (struct hw_daemon){ .options = options, .state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                 .epoll_fd = -1, .jobs = { .compile.fd = -1, .prober.fd = -1 }, .timers.confirm_at = UINT64_MAX,
                                 .apparmor = true, .server = { .agent_known = true, .agent_uid = AGENT } };
        CHECK(d->state_fd >= 0);
        hw_bpf_init(&d->bpf, dir, NULL, NULL);
        hw_events_init(&d->events, d->state_fd);
}

/* As a kill -9 does, but that memory is freed. */
static void stop_daemon(struct hw_daemon *d) {
        hw_events_free(&d->events);
        hw_profile_set_free(&d->profiles);
        d->table = hw_table_free(d->table);
        (void)close(d->state_fd);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void remove_host(const char *dir) {
        CHECK(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

#endif
