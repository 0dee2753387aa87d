/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "as-compiler.h"
#include "suspend.h"

/* What an assignment says of a suspension where its rule set cannot be put in force. */

static bool has_first_as(enum hw_mode mode) {
        return d.table->assignment_version.generation == 1 && d.memory.highest.generation == 1 && hw_memory_mode(&d.memory) == mode;
}

static void begin_with_first(void) {
        begin_trusting();
        CHECK(taken(SET(1, "11", "good")));
        confirm();
}

/* What the compiler believes, and cannot compile. */
static bool cannot_be_compiled(enum hw_job_kind kind, struct given g) {
        const struct hw_assignment_version assignment_version = { 1, g.generation, 1 };
        struct hw_buffer payload = { 0 };

        hw_put_text(&payload, HW_TAG_CODE, "parser-failed");
        hw_put_text(&payload, HW_TAG_MESSAGE, "x");
        hw_put_assignment_version(&payload, &assignment_version);
        put_suspension(&payload, g.suspended_until);
        compiler_answers(kind, HW_MSG_REJECTED, &payload);
        hw_buffer_free(&payload);
        return kind != HW_JOB_APPLY || strcmp(code, "parser-failed") == 0;
}

static void a_rule_set_that_finds_no_room_suspends_once_all_the_same(void) {
        const struct given order = SET(2, "22", "next", .suspended_until = in_a_minute());

        begin_with_first();
        no_room_for(HW_SNAPSHOT, true);
        CHECK(refused("snapshot-failed", order));
        CHECK(has_first_as(HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_CONTROL_PLANE);
        CHECK(refused("snapshot-failed", SET(3, "33", "later")));
        CHECK(has_first_as(HW_MODE_ENFORCE));
        CHECK(refused("stale-assignment-version", order) && has_first_as(HW_MODE_ENFORCE));
        no_room_for(HW_SNAPSHOT, false);
        CHECK(taken(SET(4, "44", "last")) && d.table->assignment_version.generation == 4);
        end();
}

static void the_console_s_word_and_a_later_one_hold_over_a_restart(void) {
        const struct given order = SET(2, "22", "next", .suspended_until = in_a_minute());

        begin_with_first();
        no_room_for(HW_SNAPSHOT, true);
        CHECK(refused("snapshot-failed", order) && has_first_as(HW_MODE_AUDIT));
        CHECK(hw_resume(&d) == 0);
        CHECK(refused("snapshot-failed", order) && has_first_as(HW_MODE_ENFORCE));
        restart();
        CHECK(refused("snapshot-failed", order) && has_first_as(HW_MODE_ENFORCE));
        CHECK(refused("snapshot-failed", SET(3, "22", "next", .suspended_until = in_a_minute())));
        CHECK(has_first_as(HW_MODE_AUDIT));
        restart();
        CHECK(has_first_as(HW_MODE_AUDIT));
        CHECK(refused("snapshot-failed", SET(4, "44", "later")) && has_first_as(HW_MODE_ENFORCE));
        restart();
        CHECK(refused("stale-assignment-version", order) && has_first_as(HW_MODE_ENFORCE));
        no_room_for(HW_SNAPSHOT, false);
        CHECK(taken(SET(4, "44", "later")) && d.table->assignment_version.generation == 4);
        end();
}

static void what_was_done_of_it_is_not_done_again_when_there_is_room(void) {
        const struct given order = SET(2, "22", "next", .suspended_until = in_a_minute());

        begin_with_first();
        no_room_for(HW_SNAPSHOT, true);
        CHECK(refused("snapshot-failed", order) && hw_resume(&d) == 0);
        no_room_for(HW_SNAPSHOT, false);
        CHECK(taken(order) && d.table->assignment_version.generation == 2 && hw_memory_mode(&d.memory) == HW_MODE_ENFORCE);
        end();
}

static void so_does_one_that_cannot_be_compiled(void) {
        begin_with_first();
        CHECK(cannot_be_compiled(HW_JOB_APPLY, SET(2, "22", "next", .suspended_until = in_a_minute())));
        CHECK(has_first_as(HW_MODE_AUDIT));
        CHECK(cannot_be_compiled(HW_JOB_APPLY, SET(3, "33", "later")));
        CHECK(has_first_as(HW_MODE_ENFORCE));
        CHECK(cannot_be_compiled(HW_JOB_APPLY, SET(2, "22", "next", .suspended_until = in_a_minute())));
        CHECK(has_first_as(HW_MODE_ENFORCE));
        CHECK(cannot_be_compiled(HW_JOB_RECOMPILE, SET(4, "44", "last", .suspended_until = in_a_minute())));
        CHECK(has_first_as(HW_MODE_ENFORCE));
        end();
}

static void so_does_one_whose_root_document_cannot_be_kept(void) {
        begin_with_first();
        options.trust_dir = "/nonexistent";
        CHECK(refused("trust-not-kept", SET(2, "22", "next", .root = "next", .suspended_until = in_a_minute())));
        CHECK(has_first_as(HW_MODE_AUDIT));
        end();
}

int main(void) {
        TEST(a_rule_set_that_finds_no_room_suspends_once_all_the_same);
        TEST(the_console_s_word_and_a_later_one_hold_over_a_restart);
        TEST(what_was_done_of_it_is_not_done_again_when_there_is_room);
        TEST(so_does_one_that_cannot_be_compiled);
        TEST(so_does_one_whose_root_document_cannot_be_kept);
        return 0;
}
