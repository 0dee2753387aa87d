/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "enforce.h"
#include "file.h"
#include "lives.h"
#include "recompile.h"
#include "samples.h"
#include "suspend.h"

/* Which envelope belongs to the table in force: the one by which an exception in it ends without anybody's asking. */

static struct hw_table *made(uint64_t generation, const char *digest, const char *mark, uint64_t valid_until,
                             uint64_t suspended_until) {
        const struct sample sample = { .generation = generation, .digest = digest, .names = { "hostward" }, .mark = mark };
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        sample_payload(&payload, &sample);
        if (valid_until)
                hw_put_u64(&payload, HW_TAG_VALID_UNTIL, valid_until);
        if (suspended_until) {
                hw_put_text(&payload, HW_TAG_SUSPEND_MODE, "audit");
                hw_put_u64(&payload, HW_TAG_SUSPEND_UNTIL, suspended_until);
                hw_put_text(&payload, HW_TAG_SUSPEND_REASON, "fleet");
        }
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        return t;
}

static struct hw_table *table(uint64_t generation, const char *digest, const char *mark, uint64_t valid_until) {
        return made(generation, digest, mark, valid_until, 0);
}

static struct hw_table *suspending(uint64_t generation, const char *digest, const char *mark) {
        return made(generation, digest, mark, 0, hw_wall_ms() + 60000);
}

/* As an APPLY does; digest, mark and envelope are one text. */
static void apply(uint64_t generation, const char *text, uint64_t valid_until) {
        CHECK(hw_enforce_swap(&d, table(generation, text, text, valid_until)) == 0);
        hw_recompile_forget(&d);
        hw_recompile_keep(&d, (struct hw_slice){ (const uint8_t *)text, strlen(text) });
}

static bool envelope_is(const char *text) {
        struct hw_buffer envelope = { 0 };
        const bool is = hw_recompile_read(&d, &envelope) && envelope.len == strlen(text) &&
                        memcmp(envelope.data, text, envelope.len) == 0;

        hw_buffer_free(&envelope);
        return is;
}

/* Whether a look finds something to compile; another job keeps it from being begun. */
static bool is_due(void) {
        bool due;

        d.jobs.n_waiting = 0;
        d.jobs.running = (struct hw_job){ .kind = HW_JOB_PROBE };
        d.timers.recompile_at = 0;
        hw_recompile_check(&d);
        due = d.jobs.n_waiting > 0 && d.jobs.waiting[0].kind == HW_JOB_RECOMPILE;
        d.jobs.n_waiting = 0;
        d.jobs.running = (struct hw_job){ 0 };
        return due;
}

/* As if the minute had passed. */
static void exception_ends(void) {
        d.table->valid_until = hw_wall_ms() - 1;
}

static struct hw_table *linked(uint64_t generation, const char *digest, const char *path, const char *target) {
        const struct sample sample = { .generation = generation, .digest = digest, .names = { "hostward" } };
        struct hw_buffer payload = { 0 }, links = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        hw_buffer_add(&links, path, strlen(path) + 1);
        hw_buffer_add(&links, target, strlen(target) + 1);
        sample_payload(&payload, &sample);
        hw_put_bytes(&payload, HW_TAG_LINKS, links.data, links.len);
        hw_buffer_free(&links);
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        return t;
}

static void a_link_that_leads_elsewhere_has_it_compiled_anew_once(void) {
        begin();
        apply(1, "11", 0);
        CHECK(hw_enforce_swap(&d, linked(1, "11", "/hostward-is-not-there", "")) == 0);
        confirm();
        hw_recompile_begins(&d);
        hw_recompile_ended(&d, true);
        CHECK(!is_due());
        CHECK(hw_enforce_swap(&d, linked(1, "11", "/hostward-is-not-there", "/usr/bin/nc")) == 0);
        CHECK(is_due() && !is_due());
        hw_recompile_ended(&d, false);
        CHECK(is_due()); /* it found nothing out */
        CHECK(hw_enforce_swap(&d, linked(1, "11", "/proc/self", "")) == 0);
        CHECK(!is_due()); /* on another filesystem than the root */
        end();
}

static void after_a_fallback_an_exception_that_still_runs_ends(void) {
        begin();
        apply(1, "11", hw_wall_ms() + 60000);
        confirm();
        apply(2, "22", 0);
        cut_off();
        CHECK(envelope_is("11") && !is_due());
        restart();
        CHECK(d.table->assignment_version.generation == 1 && envelope_is("11"));
        exception_ends();
        CHECK(is_due());
        CHECK(hw_enforce_swap(&d, table(1, "11", "without", 0)) == 0);
        CHECK(d.memory.highest.generation == 2); /* what came between stays older */
        confirm();
        restart();
        CHECK(d.table->assignment_version.generation == 1 && d.memory.highest.generation == 2);
        end();
}

static void a_suspension_that_was_ended_since_does_not_come_back_with_it(void) {
        begin();
        apply(1, "11", 0);
        confirm();
        CHECK(hw_enforce_swap(&d, suspending(2, "22", "11")) == 0); /* the same rules, suspended */
        apply(3, "33", 0);
        CHECK(!d.memory.suspension.active);
        cut_off();
        CHECK(d.table->assignment_version.generation == 2 && !d.memory.suspension.active);
        CHECK(hw_enforce_swap(&d, suspending(2, "22", "compiled anew")) == 0);
        CHECK(!d.memory.suspension.active && hw_memory_mode(&d.memory) == HW_MODE_ENFORCE);
        end();
}

static void so_it_does_where_the_daemon_died_within_the_fallback(void) {
        struct hw_buffer newer = { 0 };

        begin();
        apply(1, "11", hw_wall_ms() + 60000);
        confirm();
        apply(2, "22", 0);
        CHECK(hw_read_file(d.state_fd, HW_SNAPSHOT, 1u << 20, &newer) == 0);
        cut_off();
        CHECK(hw_write_atomic(d.state_fd, HW_SNAPSHOT, newer.data, newer.len, 0600) == 0);
        CHECK(hw_write_atomic(d.state_fd, HW_ENVELOPE, "22", 2, 0600) == 0);
        hw_buffer_free(&newer);
        restart();
        CHECK(d.table->assignment_version.generation == 1 && envelope_is("11"));
        end();
}

static void what_cut_the_agent_off_when_compiled_anew_is_tried_again_at_an_end_alone(void) {
        begin();
        apply(1, "11", hw_wall_ms() + 60000);
        confirm();
        CHECK(hw_enforce_swap(&d, table(1, "11", "compiled anew", hw_wall_ms() + 60000)) == 0);
        cut_off();
        d.context = 0; /* as after a start, or where the host changes */
        CHECK(envelope_is("11") && !is_due());
        exception_ends();
        CHECK(is_due());
        end();
}

static void an_envelope_that_found_no_room_is_not_mixed_up_with_another(void) {
        begin();
        apply(1, "11", 0);
        confirm();
        apply(2, "22", 0);
        confirm(); /* the last known good is 1, and has its envelope */
        no_room_for(HW_ENVELOPE, true);
        apply(3, "33", 0);
        confirm();
        apply(4, "44", 0);
        cut_off();
        CHECK(d.table->assignment_version.generation == 3 && !envelope_is("22") && !envelope_is("44"));
        no_room_for(HW_ENVELOPE, false);
        end();
}

static void where_there_is_no_last_known_good_it_stays_for_the_console(void) {
        begin();
        apply(1, "11", hw_wall_ms() + 60000);
        cut_off();
        CHECK(hw_unload(&d) == 0 && hw_resume(&d) == 0);
        confirm();
        exception_ends();
        CHECK(envelope_is("11") && is_due());
        end();
}

static void a_newer_table_that_was_lost_may_come_back_and_nothing_else(void) {
        struct hw_table *lost, *other, *older;
        int fd;

        begin();
        apply(1, "11", 0);
        confirm();
        apply(2, "22", 0);
        confirm();
        fd = openat(d.state_fd, HW_SNAPSHOT, O_WRONLY | O_CLOEXEC);
        CHECK(pwrite(fd, "XXXX", 4, 40) == 4 && close(fd) == 0);
        lost = table(2, "22", "22", 0);
        other = table(3, "33", "33", 0);
        older = table(1, "11", "11", 0);
        CHECK(!hw_recompile_is_lost(&d, lost)); /* in force */
        restart();
        CHECK(d.table->assignment_version.generation == 1 && envelope_is("22") && is_due());
        CHECK(hw_recompile_is_lost(&d, lost) && !hw_recompile_is_lost(&d, other) && !hw_recompile_is_lost(&d, older));
        CHECK(hw_enforce_swap(&d, lost) == 0);
        cut_off();
        CHECK(d.table->assignment_version.generation == 1 && envelope_is("11") && !hw_recompile_is_lost(&d, d.table));
        lost = table(2, "22", "22", 0);
        CHECK(!hw_recompile_is_lost(&d, lost)); /* it was taken back */
        (void)hw_table_free(lost);
        (void)hw_table_free(other);
        (void)hw_table_free(older);
        end();
}

int main(void) {
        TEST(a_link_that_leads_elsewhere_has_it_compiled_anew_once);
        TEST(after_a_fallback_an_exception_that_still_runs_ends);
        TEST(a_suspension_that_was_ended_since_does_not_come_back_with_it);
        TEST(so_it_does_where_the_daemon_died_within_the_fallback);
        TEST(what_cut_the_agent_off_when_compiled_anew_is_tried_again_at_an_end_alone);
        TEST(an_envelope_that_found_no_room_is_not_mixed_up_with_another);
        TEST(where_there_is_no_last_known_good_it_stays_for_the_console);
        TEST(a_newer_table_that_was_lost_may_come_back_and_nothing_else);
        return 0;
}
