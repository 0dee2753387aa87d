/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "probe.h"

/* What a probe touches on a host of which a part belongs to others. By plain permissions: nothing is enforced here. */

#define PROBES 200

static char dir[64], path[96], other[96];

static void begin(void) {
        strcpy(dir, "/tmp/hostward-probe-XXXXXX");
        CHECK(mkdtemp(dir));
        (void)snprintf(path, sizeof path, "%s/file", dir);
        (void)snprintf(other, sizeof other, "%s/other", dir);
        CHECK(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
}

static void end(void) {
        (void)unlink(path);
        (void)unlink(other);
        CHECK(rmdir(dir) == 0);
}

/* Answers to as many equal probes. */
static struct hw_prober run(enum hw_probe_kind kind, size_t n) {
        static struct hw_probe probes[PROBES];
        static const uint8_t bpf[1];
        const struct hw_table t = { .bpf = { bpf, sizeof bpf }, .probes = probes, .n_probes = n };
        struct hw_prober p;

        for (size_t i = 0; i < n; i++)
                probes[i] = (struct hw_probe){ .kind = kind, .rule = "p/r", .profile = "hostward", .path = path };
        CHECK(hw_prober_start(&p, &t, 60000) == 0);
        while (hw_prober_read(&p) == 0) {
                struct pollfd more = { .fd = p.fd, .events = POLLIN };

                CHECK(poll(&more, 1, 60000) == 1);
        }
        CHECK(p.answered == n);
        return p;
}

static void expect_one(enum hw_probe_kind kind, enum hw_probe_result result, int error) {
        struct hw_prober p = run(kind, 1);

        CHECK(p.answers[0].result == result && p.answers[0].error == error);
        hw_prober_stop(&p);
}

static void a_file_is_opened_and_what_opening_may_change_is_not(void) {
        begin();
        expect_one(HW_PROBE_READ, HW_PROBE_ALLOWED, 0);
        expect_one(HW_PROBE_WRITE, HW_PROBE_ALLOWED, 0);
        CHECK(unlink(path) == 0);
        expect_one(HW_PROBE_READ, HW_PROBE_INCONCLUSIVE, ENOENT);
        CHECK(mkfifo(path, 0600) == 0);
        expect_one(HW_PROBE_WRITE, HW_PROBE_INCONCLUSIVE, ECANCELED);
        CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
        expect_one(HW_PROBE_READ, HW_PROBE_ALLOWED, 0);
        expect_one(HW_PROBE_WRITE, HW_PROBE_INCONCLUSIVE, ECANCELED);
        CHECK(rmdir(path) == 0);
        end();
}

/* A pipe without a reader answers ENXIO to who opens it for writing. */
static void nor_where_its_owner_puts_it_there_meanwhile(void) {
        struct hw_prober p;
        pid_t owner;
        int status;

        begin();
        CHECK(mkfifo(other, 0600) == 0);
        owner = fork();
        CHECK(owner >= 0);
        while (owner == 0)
                (void)renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE);
        p = run(HW_PROBE_WRITE, PROBES);
        CHECK(kill(owner, SIGKILL) == 0 && waitpid(owner, &status, 0) == owner);
        for (size_t i = 0; i < PROBES; i++)
                CHECK(p.answers[i].error != ENXIO);
        hw_prober_stop(&p);
        end();
}

int main(void) {
        TEST(a_file_is_opened_and_what_opening_may_change_is_not);
        TEST(nor_where_its_owner_puts_it_there_meanwhile);
        return 0;
}
