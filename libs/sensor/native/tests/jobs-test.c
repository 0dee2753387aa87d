/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforce.h"
#include "fake-host.h"
#include "jobs.h"
#include "samples.h"

/* What takes longer than one turn of the loop, and when it is ended. */

static struct hw_options options;
static struct hw_daemon d;
static char dir[64], securityfs[80];

static void begin(void) {
        strcpy(dir, "/tmp/hostward-jobs-XXXXXX");
        CHECK(mkdtemp(dir));
        make_host(dir, securityfs, sizeof securityfs);
        options = (struct hw_options){ .dropin_dir = "/nonexistent", .securityfs = securityfs, .sysfs = dir,
                                       .state_dir = dir };
        start_daemon(&d, &options, dir);
}

static void end(void) {
        free(d.answers);
        stop_daemon(&d);
        remove_host(dir);
}

static void apply(uint64_t generation, const char *text) {
        const struct sample sample = { .generation = generation, .digest = text, .names = { "hostward" }, .mark = text };
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        sample_payload(&payload, &sample);
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        CHECK(hw_enforce_swap(&d, t) == 0);
}

/* A prober that has ended, with nothing of it read yet. */
static void let_a_prober_end(void) {
        siginfo_t ended;
        int ends[2];

        CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        d.jobs.prober = (struct hw_prober){ .pid = fork(), .fd = ends[0], .answers = calloc(1, sizeof *d.jobs.prober.answers),
                                       .loads = d.loads };
        if (d.jobs.prober.pid == 0)
                _exit(0);
        CHECK(d.jobs.prober.pid > 0 && d.jobs.prober.answers && close(ends[1]) == 0);
        CHECK(waitid(P_PID, (id_t)d.jobs.prober.pid, &ended, WEXITED | WNOWAIT) == 0);
        d.jobs.running = (struct hw_job){ .kind = HW_JOB_PROBE };
}

/* Records are read in the middle of a swap too: who looks there for a probe's pid must begin and end nothing. */
static void the_last_word_of_a_prober_ends_its_job_in_a_turn_of_its_own(void) {
        uint64_t loads;

        begin();
        apply(1, "11");
        let_a_prober_end();
        d.jobs.waiting[d.jobs.n_waiting++] = (struct hw_job){ .kind = HW_JOB_RECHECK };
        loads = d.loads;
        hw_jobs_prober_announced(&d);
        CHECK(d.jobs.running.kind == HW_JOB_PROBE && d.jobs.n_waiting == 1 && d.loads == loads && !d.answers);
        hw_jobs_prober_announced(&d);
        CHECK(d.jobs.running.kind == HW_JOB_PROBE && d.jobs.n_waiting == 1);
        hw_jobs_prober_settle(&d);
        CHECK(d.jobs.running.kind == HW_JOB_NONE && d.jobs.n_waiting == 0 && d.answers);
        hw_jobs_prober_settle(&d);
        CHECK(d.jobs.running.kind == HW_JOB_NONE);
        end();
}

int main(void) {
        TEST(the_last_word_of_a_prober_ends_its_job_in_a_turn_of_its_own);
        return 0;
}
