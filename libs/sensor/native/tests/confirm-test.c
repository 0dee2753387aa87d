/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "confirm.h"
#include "daemon.h"
#include "enforce.h"
#include "samples.h"
#include "suspend.h"

/* Commit-confirm and break-glass as the daemon runs them; the test makes the denials and the passing of time. */

#define AGENT 1234
#define NOBODY 65534

static struct hw_options options;
static struct hw_daemon d;
static char dir[64];

static void begin(void) {
        strcpy(dir, "/tmp/hostward-confirm-XXXXXX");
        CHECK(mkdtemp(dir));
        options = (struct hw_options){ .confirm_ms = 1000, .dropin_dir = "/nonexistent", .securityfs = "/nonexistent",
                                       .sysfs = "/nonexistent" };
        d = (struct hw_daemon){ .options = &options, .state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                .epoll_fd = -1, .jobs = { .compile.fd = -1, .prober.fd = -1 }, .timers.confirm_at = UINT64_MAX,
                                .server = { .agent_known = true, .agent_uid = AGENT } };
        CHECK(d.state_fd >= 0);
        hw_bpf_init(&d.bpf, dir, NULL, NULL);
        hw_events_init(&d.events, d.state_fd);
}

static void end(void) {
        static const char *const files[] = { "snapshot", "snapshot.prev", "memory", "profiles.txt", "journal",
                                               "numbers", "boots" };

        for (size_t i = 0; i < sizeof files / sizeof *files; i++)
                (void)unlinkat(d.state_fd, files[i], 0);
        CHECK(rmdir(dir) == 0);
        hw_events_free(&d.events);
        d.table = hw_table_free(d.table);
        (void)close(d.state_fd);
}

/* `mark` is what the rule set does in the kernel, the digest what it is called. */
static void swap_as(const char *digest, uint64_t generation, const char *mark, uint64_t overrides) {
        const struct sample sample = { .generation = generation, .digest = digest, .names = { "hostward" },
                                       .mark = mark, .overrides = overrides };
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        sample_payload(&payload, &sample);
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        CHECK(t->overrides == overrides);
        CHECK(hw_enforce_swap(&d, t) == 0);
}

static void swap(uint64_t generation, const char *mark, uint64_t overrides) {
        swap_as("ab", generation, mark, overrides);
}

static int confirm(pid_t pid) {
        return hw_confirm_accept(&d, pid, &d.table->assignment_version);
}

static void deny_at(int64_t fsuid, uint64_t time_ms) {
        const struct hw_audit_record record = { .denied = true, .fsuid = fsuid, .pid = -1, .time_ms = time_ms };

        hw_confirm_evidence(&d, &record);
}

static void deny(int64_t fsuid) {
        deny_at(fsuid, hw_wall_ms());
}

static bool is(uint64_t generation, enum hw_confirm state, enum hw_mode mode) {
        return d.table->assignment_version.generation == generation && d.memory.confirm == state &&
               hw_memory_mode(&d.memory) == mode;
}

static void suspend_for(uint64_t ms) {
        const struct hw_suspension s = { .active = true, .mode = HW_MODE_AUDIT, .until = hw_wall_ms() + ms, .reason = "x" };

        hw_suspend_begin(&d, &s);
}

static void cut_off_by_a_denial_the_last_known_good_comes_back(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0 && is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        swap(2, "two", 0);
        deny(AGENT);
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void cut_off_by_the_first_rule_set_nothing_is_blocked(void) {
        begin();
        swap(1, "one", 0);
        deny(AGENT);
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_OFF));
        end();
}

static void loaded_again_at_the_console_it_must_be_confirmed(void) {
        begin();
        swap(1, "one", 0);
        deny(AGENT);
        hw_confirm_expired(&d);
        hw_unload(&d);
        hw_resume(&d);
        CHECK(is(1, HW_CONFIRM_WAITING, HW_MODE_ENFORCE) && d.timers.confirm_at != UINT64_MAX);
        deny(AGENT);
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_OFF));
        end();
}

static void resumed_at_the_console_nothing_of_the_console_stays(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        hw_unload(&d);
        suspend_for(60000);
        hw_resume(&d);
        CHECK(!d.memory.suspension.active && hw_memory_mode(&d.memory) == HW_MODE_ENFORCE);
        end();
}

static void the_last_known_good_that_came_back_need_not_be(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        swap_as("cd", 2, "two", 0);
        deny(AGENT);
        hw_confirm_expired(&d);
        hw_unload(&d);
        hw_resume(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void a_denial_from_before_the_swap_counts_for_nothing(void) {
        begin();
        swap(1, "one", 0);
        deny_at(AGENT, d.memory.confirm_since - 1);
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE));
        end();
}

static void where_the_clock_was_set_back_since_a_denial_counts(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        swap(2, "two", 0);
        d.memory.confirm_since += 3600000; /* as a clock an hour ahead would have it */
        deny(NOBODY);
        CHECK(!d.memory.evidence);
        deny(AGENT);
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void an_outage_and_denials_of_others_change_nothing(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        deny(AGENT); /* nothing waits: it counts for nothing later either */
        swap(2, "two", 0);
        deny(NOBODY);
        deny(0);
        deny(-1);
        hw_confirm_expired(&d);
        CHECK(is(2, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE));
        CHECK(confirm(getpid()) == 0 && is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static void after_the_deadline_a_denial_counts_only_under_overrides(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        swap(2, "two", 0);
        hw_confirm_expired(&d);
        deny(AGENT);
        CHECK(is(2, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE));
        swap(3, "three", 1);
        hw_confirm_expired(&d);
        deny(NOBODY);
        CHECK(is(3, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE));
        deny(AGENT);
        CHECK(is(3, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void a_renewal_stays_confirmed_and_is_not_taken_back(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        swap(2, "one", 0);
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        deny(AGENT);
        hw_confirm_expired(&d);
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static void a_renewal_does_not_confirm_what_waits(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        swap(2, "two", 0);
        deny(AGENT);
        swap(3, "two", 0);
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void what_was_good_before_is_not_opened(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        swap(2, "two", 0);
        swap(3, "one", 0);
        deny(AGENT);
        hw_confirm_expired(&d);
        CHECK(is(3, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE));
        end();
}

static void what_was_confirmed_while_suspended_is_confirmed_again(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        suspend_for(60000);
        swap(2, "two", 0);
        CHECK(confirm(getpid()) == 0 && is(2, HW_CONFIRM_DONE, HW_MODE_AUDIT));
        hw_suspend_end(&d, "test");
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        deny(AGENT);
        hw_confirm_expired(&d);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void what_was_confirmed_before_a_suspension_stays_confirmed(void) {
        begin();
        swap(1, "one", 0);
        CHECK(confirm(getpid()) == 0);
        suspend_for(60000);
        hw_suspend_end(&d, "test");
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static pid_t young_process(void) {
        pid_t pid;

        usleep(20000); /* the kernel tells starts in hundredths of a second */
        pid = fork();
        if (pid == 0)
                for (;;)
                        (void)pause();
        CHECK(pid > 0);
        return pid;
}

static void under_overrides_only_a_process_started_since_confirms(void) {
        pid_t pid;

        begin();
        usleep(20000);
        swap(1, "one", 1);
        CHECK(confirm(getpid()) == -EAGAIN && is(1, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        pid = young_process();
        CHECK(confirm(pid) == 0 && is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        end();
}

int main(void) {
        TEST(cut_off_by_a_denial_the_last_known_good_comes_back);
        TEST(cut_off_by_the_first_rule_set_nothing_is_blocked);
        TEST(loaded_again_at_the_console_it_must_be_confirmed);
        TEST(resumed_at_the_console_nothing_of_the_console_stays);
        TEST(the_last_known_good_that_came_back_need_not_be);
        TEST(a_denial_from_before_the_swap_counts_for_nothing);
        TEST(where_the_clock_was_set_back_since_a_denial_counts);
        TEST(an_outage_and_denials_of_others_change_nothing);
        TEST(after_the_deadline_a_denial_counts_only_under_overrides);
        TEST(a_renewal_stays_confirmed_and_is_not_taken_back);
        TEST(a_renewal_does_not_confirm_what_waits);
        TEST(what_was_good_before_is_not_opened);
        TEST(what_was_confirmed_while_suspended_is_confirmed_again);
        TEST(what_was_confirmed_before_a_suspension_stays_confirmed);
        TEST(under_overrides_only_a_process_started_since_confirms);
        return 0;
}
