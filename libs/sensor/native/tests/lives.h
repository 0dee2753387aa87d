/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_LIVES_H
#define HOSTWARD_LIVES_H
#include "confirm.h"
#include "enforce.h"
#include "fake-host.h"

/* A daemon that dies and lives again on one fake host: what a kill -9 leaves is the folder. */

static struct hw_options options;
static struct hw_daemon d;
static char dir[64], securityfs[80];

static void start(void) {
        start_daemon(&d, &options, dir);
        hw_enforce_start(&d);
}

static void restart(void) {
        stop_daemon(&d);
        start();
}

static void begin(void) {
        strcpy(dir, "/tmp/hostward-lives-XXXXXX");
        CHECK(mkdtemp(dir));
        make_host(dir, securityfs, sizeof securityfs);
        options = (struct hw_options){ .confirm_ms = 1000, .dropin_dir = "/nonexistent", .securityfs = securityfs,
                                        .sysfs = dir, .state_dir = dir };
        start();
}

static void end(void) {
        hw_buffer_free(&d.envelope);
        stop_daemon(&d);
        remove_host(dir);
}

static void confirm(void) {
        CHECK(hw_confirm_accept(&d, getpid(), &d.table->assignment_version) == 0);
}

/* The agent is denied something and confirms nothing until its time is over. */
static inline void cut_off(void) {
        const struct hw_audit_record record = { .denied = true, .fsuid = AGENT, .pid = -1, .time_ms = hw_wall_ms() + 1 };

        hw_confirm_evidence(&d, &record);
        CHECK(d.memory.evidence);
        hw_confirm_expired(&d);
}

/* A folder where a file's temporary name should be keeps that file from being written. */
static inline void no_room_for(const char *name, bool none) {
        char temp[80];

        (void)snprintf(temp, sizeof temp, ".%s.new", name);
        CHECK((none ? mkdirat(d.state_fd, temp, 0700) : unlinkat(d.state_fd, temp, AT_REMOVEDIR)) == 0);
}

#endif
