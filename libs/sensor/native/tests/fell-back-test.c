/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "as-compiler.h"
#include "suspend.h"

/*
 * What becomes of an assignment whose rule set cut the agent off: the rules stay out, and a suspension and what is to be
 * trusted count.
 */

static bool is(uint64_t generation, enum hw_confirm state, enum hw_mode mode) {
        return d.table->assignment_version.generation == generation && d.memory.confirm == state &&
               hw_memory_mode(&d.memory) == mode;
}

/* 1 is the last known good; 2 cut the agent off. */
static void begin_fallen_back(void) {
        begin_trusting();
        CHECK(taken(SET(1, "11", "good")));
        confirm();
        CHECK(taken(SET(2, "22", "bad")));
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
}

static void suspend_at_console(void) {
        const struct hw_suspension s = { .active = true, .mode = HW_MODE_OFF, .until = in_a_minute(), .reason = "x" };

        CHECK(hw_suspend_begin(&d, &s) == 0);
}

static void a_minute_passes(void) {
        d.timers.looked_at = hw_now_ms() - 61000;
        hw_suspend_check(&d);
}

static void a_host_that_fell_back_is_suspended_with_what_it_has(void) {
        begin_fallen_back();
        CHECK(refused("fell-back", SET(3, "22", "bad", .suspended_until = in_a_minute())));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_AUDIT) && d.memory.highest.generation == 3);
        restart();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_AUDIT) && d.memory.highest.generation == 3);
        CHECK(refused("fell-back", SET(4, "22", "bad")));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE) && d.memory.highest.generation == 4);
        end();
}

static void when_that_ends_what_cut_the_agent_off_does_not_come_back(void) {
        begin_fallen_back();
        CHECK(refused("fell-back", SET(3, "22", "bad", .suspended_until = in_a_minute())));
        a_minute_passes();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE) && d.jobs.outcome.ok);
        restart();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void nobody_suspends_it_by_an_assignment_that_is_not_the_newest(void) {
        begin_fallen_back();
        CHECK(refused("fell-back", SET(4, "22", "bad")));
        CHECK(refused("stale-assignment-version", SET(3, "22", "bad", .suspended_until = in_a_minute())));
        CHECK(refused("fell-back", SET(4, "22", "bad", .suspended_until = in_a_minute())));
        CHECK(refused("stale-assignment-version", SET(3, "33", "other")));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        CHECK(taken(SET(5, "33", "other")));
        CHECK(is(5, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        end();
}

static void where_nothing_was_good_before_nothing_is_blocked_after_it(void) {
        begin_trusting();
        CHECK(taken(SET(1, "11", "bad")));
        cut_off();
        CHECK(refused("fell-back", SET(2, "11", "bad", .suspended_until = in_a_minute())));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_OFF) && d.memory.suspension.active);
        a_minute_passes();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_OFF) && !d.memory.suspension.active);
        CHECK(refused("fell-back", SET(3, "11", "bad")));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_OFF));
        end();
}

static void it_waits_while_the_console_has_the_say(void) {
        begin_fallen_back();
        suspend_at_console();
        CHECK(refused("fell-back", SET(3, "22", "bad", .suspended_until = in_a_minute())));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_OFF) && d.memory.suspension.by == HW_BY_CONSOLE);
        restart();
        CHECK(hw_resume(&d) == 0);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_CONTROL_PLANE);
        CHECK(strcmp(d.memory.suspension.reason, "fleet") == 0);
        end();
}

static void one_that_ended_before_a_fallback_does_not_come_back_after_the_console_s(void) {
        begin_trusting();
        CHECK(taken(SET(1, "11", "good")));
        confirm();
        CHECK(taken(SET(2, "11", "good", .suspended_until = in_a_minute())));
        CHECK(taken(SET(3, "33", "bad")));
        cut_off();
        CHECK(is(2, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE) && d.table->suspend.set);
        suspend_at_console();
        CHECK(hw_resume(&d) == 0);
        CHECK(is(2, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void the_boot_guard_s_own_stays(void) {
        begin_fallen_back();
        d.memory.suspension = (struct hw_suspension){ .active = true, .mode = HW_MODE_AUDIT, .by = HW_BY_BOOT_GUARD,
                                                      .until = in_a_minute(), .reason = "x" };
        CHECK(refused("fell-back", SET(3, "22", "bad")));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_BOOT_GUARD);
        end();
}

static void what_finds_no_room_holds_until_the_next_start_and_comes_again(void) {
        const struct given order = SET(3, "22", "bad", .suspended_until = in_a_minute());

        begin_fallen_back();
        no_room_for(HW_MEMORY, true);
        CHECK(refused("not-kept", order));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_AUDIT) && d.memory.highest.generation == 2 && d.unkept);
        no_room_for(HW_MEMORY, false);
        restart();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        CHECK(refused("fell-back", order));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_AUDIT) && d.memory.highest.generation == 3);
        end();
}

static bool trusts(const char *name, const char *text) {
        struct hw_buffer file = { 0 };
        char path[120];
        bool is_so;

        (void)snprintf(path, sizeof path, "%s/%s", trust, name);
        is_so = hw_read_file(AT_FDCWD, path, 100, &file) == 0 && file.len == strlen(text) &&
                memcmp(file.data, text, file.len) == 0;
        hw_buffer_free(&file);
        return is_so;
}

static void the_next_root_document_is_trusted(void) {
        begin_fallen_back();
        CHECK(refused("fell-back", SET(3, "22", "bad", .root = "next", .minimum_versions = "labels")));
        CHECK(trusts("root.json", "next") && trusts("minimum-versions.json", "labels"));
        CHECK(refused("stale-assignment-version", SET(2, "22", "bad", .root = "older")));
        CHECK(trusts("root.json", "next"));
        end();
}

/* What was in force was compiled anew, for a host that had changed, and cut the agent off. */
static void begin_fallen_back_to_the_same_digest(uint64_t valid_until) {
        begin_trusting();
        CHECK(taken(SET(1, "11", "good", .valid_until = valid_until)));
        confirm();
        compile_as(HW_JOB_RECOMPILE, SET(1, "11", "bad", .valid_until = valid_until));
        CHECK(is(1, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
}

static void a_renewal_of_what_is_in_force_is_taken_though_it_has_the_name_of_what_is_not(void) {
        begin_fallen_back_to_the_same_digest(0);
        CHECK(taken(SET(2, "11", "good")));
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        cut_off(); /* by an agent that wants it back: it was good, and stays */
        CHECK(is(2, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE));
        confirm();
        restart();
        CHECK(refused("fell-back", SET(3, "11", "bad")));
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static void nor_does_it_come_back_compiled_anew_but_where_an_exception_has_ended(void) {
        begin_fallen_back_to_the_same_digest(in_a_minute());
        CHECK(taken(SET(2, "11", "good", .valid_until = in_a_minute())));
        confirm();
        d.context = 0;
        compile_as(HW_JOB_RECOMPILE, SET(2, "11", "bad"));
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE) && d.context == d.compiled_beside);
        d.table->valid_until = hw_wall_ms() - 1;
        compile_as(HW_JOB_RECOMPILE, SET(2, "11", "bad"));
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_ENFORCE) && d.table->valid_until == 0);
        end();
}

static void what_does_something_else_under_that_name_is_tried_once(void) {
        begin_fallen_back();
        CHECK(taken(SET(3, "22", "for other labels")));
        CHECK(is(3, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        restart();
        CHECK(refused("fell-back", SET(4, "22", "for other labels")));
        CHECK(refused("fell-back", SET(5, "22", "bad")));
        CHECK(refused("fell-back", SET(6, "22", "a third")));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void where_it_was_good_it_is_compiled_anew_as_any_other(void) {
        begin_fallen_back();
        CHECK(taken(SET(3, "22", "for other labels")));
        confirm();
        compile_as(HW_JOB_RECOMPILE, SET(3, "22", "on a host that changed"));
        CHECK(is(3, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        end();
}

static void what_the_console_loads_again_and_is_confirmed_is_rejected_no_more(void) {
        begin_trusting();
        CHECK(taken(SET(1, "11", "bad")));
        cut_off();
        CHECK(hw_unload(&d) == 0 && hw_resume(&d) == 0);
        CHECK(is(1, HW_CONFIRM_WAITING, HW_MODE_ENFORCE) && d.memory.rejected_digest[0]);
        confirm();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE) && !d.memory.rejected_digest[0]);
        end();
}

/* Of one text apparmor_parser makes other bytes, by chance. */
static void other_bytes_of_the_same_rules_do_not_come_back(void) {
        begin_trusting();
        CHECK(taken(SET(1, "11", "good", .effect = "good")));
        confirm();
        CHECK(taken(SET(2, "22", "bad", .effect = "bad")));
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        CHECK(refused("fell-back", SET(3, "22", "by chance", .effect = "bad", .suspended_until = in_a_minute())));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_AUDIT));
        restart();
        CHECK(refused("fell-back", SET(4, "22", "otherwise", .effect = "bad", .made_by = "a newer parser")));
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        CHECK(taken(SET(5, "22", "bad", .effect = "for other labels")));
        CHECK(is(5, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        end();
}

int main(void) {
        TEST(a_host_that_fell_back_is_suspended_with_what_it_has);
        TEST(when_that_ends_what_cut_the_agent_off_does_not_come_back);
        TEST(nobody_suspends_it_by_an_assignment_that_is_not_the_newest);
        TEST(where_nothing_was_good_before_nothing_is_blocked_after_it);
        TEST(it_waits_while_the_console_has_the_say);
        TEST(one_that_ended_before_a_fallback_does_not_come_back_after_the_console_s);
        TEST(the_boot_guard_s_own_stays);
        TEST(what_finds_no_room_holds_until_the_next_start_and_comes_again);
        TEST(the_next_root_document_is_trusted);
        TEST(a_renewal_of_what_is_in_force_is_taken_though_it_has_the_name_of_what_is_not);
        TEST(nor_does_it_come_back_compiled_anew_but_where_an_exception_has_ended);
        TEST(what_does_something_else_under_that_name_is_tried_once);
        TEST(where_it_was_good_it_is_compiled_anew_as_any_other);
        TEST(what_the_console_loads_again_and_is_confirmed_is_rejected_no_more);
        TEST(other_bytes_of_the_same_rules_do_not_come_back);
        return 0;
}
