/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "confirm.h"
#include "early.h"
#include "enforce.h"
#include "file.h"
#include "lives.h"
#include "recompile.h"
#include "samples.h"
#include "suspend.h"

/*
 * Snapshot and memory are two files: whatever could not be written, and wherever the daemon died, what is in force at the
 * next start is a table that was confirmed, or one that waits to be. Large tables are kept from being written by a bound
 * on the size of files.
 */

#define LARGE 100000
#define NOTHING_LARGE 50000

struct given {
        uint64_t generation;
        const char *digest; /* NULL: the mark */
        const char *mark;
        size_t size;
        uint64_t valid_until, suspended_until, overrides;
};

static int swap(struct given g) {
        const struct sample sample = { .generation = g.generation, .digest = g.digest ? g.digest : g.mark,
                                       .names = { "hostward" }, .mark = g.mark,
                                       .overrides = g.overrides };
        static char root[LARGE + 1];
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        sample_payload(&payload, &sample);
        if (g.size) {
                (void)memset(root, 'x', g.size);
                hw_put_bytes(&payload, HW_TAG_ROOT, root, g.size);
        }
        if (g.valid_until)
                hw_put_u64(&payload, HW_TAG_VALID_UNTIL, g.valid_until);
        if (g.suspended_until) {
                hw_put_text(&payload, HW_TAG_SUSPEND_MODE, "audit");
                hw_put_u64(&payload, HW_TAG_SUSPEND_UNTIL, g.suspended_until);
                hw_put_text(&payload, HW_TAG_SUSPEND_REASON, "fleet");
        }
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        return hw_enforce_swap(&d, t);
}

static void swap_confirmed(struct given g) {
        CHECK(swap(g) == 0);
        confirm();
}

static bool is(uint64_t generation, enum hw_confirm state, enum hw_mode mode) {
        return d.table && d.table->assignment_version.generation == generation && d.memory.confirm == state &&
               hw_memory_mode(&d.memory) == mode;
}

static void no_room_for_large_files(bool none) {
        struct rlimit limit;

        CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
        limit.rlim_cur = none ? NOTHING_LARGE : limit.rlim_max;
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void copy(const char *from, const char *to) {
        struct hw_buffer file = { 0 };

        CHECK(hw_read_file(d.state_fd, from, 1u << 20, &file) == 0);
        CHECK(hw_write_atomic(d.state_fd, to, file.data, file.len, 0600) == 0);
        hw_buffer_free(&file);
}

static bool is_there(const char *name) {
        return faccessat(d.state_fd, name, F_OK, 0) == 0;
}

static void a_swap_that_finds_no_room_is_undone_without_any(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11", .size = LARGE });
        no_room_for_large_files(true);
        no_room_for("memory", true);
        CHECK(swap((struct given){ 2, .mark = "22" }) < 0);
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        CHECK(!is_there("snapshot.old") && !is_there("memory.old"));
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE) && d.memory.highest.generation == 1);
        no_room_for_large_files(false);
        no_room_for("memory", false);
        swap_confirmed((struct given){ 2, .mark = "22" });
        CHECK(!is_there("snapshot.old") && !is_there("memory.old"));
        end();
}

static void a_first_swap_that_finds_no_room_leaves_nothing(void) {
        begin();
        no_room_for("memory", true);
        CHECK(swap((struct given){ 1, .mark = "11" }) < 0);
        CHECK(!is_there("snapshot") && !is_there("memory") && !is_there("snapshot.old"));
        no_room_for("memory", false);
        restart();
        CHECK(!d.table && d.memory.highest.generation == 0);
        end();
}

static void nothing_is_replaced_that_cannot_be_put_back(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        no_room_for("memory.old", true);
        CHECK(swap((struct given){ 2, .mark = "22" }) < 0);
        CHECK(is_there("memory") && !is_there("snapshot.old"));
        no_room_for("memory.old", false);
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static void what_the_kernel_refuses_is_undone_and_what_was_not_kept_is_kept_later(void) {
        const struct hw_suspension s = { .active = true, .mode = HW_MODE_AUDIT, .until = hw_wall_ms() + 60000,
                                         .reason = "x" };

        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        no_room_for("memory", true);
        hw_suspend_begin(&d, &s);
        CHECK(d.unkept);
        no_room_for("memory", false);
        CHECK(mkdirat(d.state_fd, "kernel/apparmor/refuse", 0700) == 0);
        CHECK(swap((struct given){ 2, .mark = "22" }) < 0);
        CHECK(d.unkept && is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT));
        CHECK(hw_memory_store(&d) == 0 && !d.unkept);
        CHECK(unlinkat(d.state_fd, "kernel/apparmor/refuse", AT_REMOVEDIR) == 0);
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT) && d.memory.highest.generation == 1);
        end();
}

static void a_snapshot_that_somebody_removed_is_no_reason_to_refuse_the_next(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        CHECK(unlinkat(d.state_fd, "snapshot", 0) == 0);
        swap_confirmed((struct given){ 2, .mark = "22" });
        restart();
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static void dead_between_snapshot_and_memory_the_new_table_waits_to_be_confirmed(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        copy("memory", "kept");
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        copy("kept", "memory");
        restart();
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_ENFORCE) && d.memory.highest.generation == 2);
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void under_overrides_an_agent_of_before_does_not_confirm_it(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        copy("memory", "kept");
        (void)usleep(20000); /* the kernel tells starts in hundredths of a second */
        CHECK(swap((struct given){ 2, .mark = "22", .overrides = 1 }) == 0);
        copy("kept", "memory");
        restart();
        CHECK(hw_confirm_accept(&d, getpid(), &d.table->assignment_version) == -EAGAIN);
        end();
}

static void a_suspension_that_came_with_that_table_is_in_force(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        copy("memory", "kept");
        CHECK(swap((struct given){ 2, .mark = "22", .suspended_until = hw_wall_ms() + 60000 }) == 0);
        copy("kept", "memory");
        restart();
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_AUDIT));
        restart(); /* it was stored */
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_AUDIT));
        end();
}

static void so_it_is_where_the_effect_alone_is_new(void) {
        begin();
        swap_confirmed((struct given){ 1, .digest = "11", .mark = "before" });
        copy("memory", "kept");
        CHECK(swap((struct given){ 1, .digest = "11", .mark = "compiled anew" }) == 0);
        copy("kept", "memory");
        restart();
        CHECK(is(1, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        end();
}

static void so_it_is_where_the_memory_cannot_be_read(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11", .suspended_until = hw_wall_ms() + 60000 });
        CHECK(hw_write_atomic(d.state_fd, "memory", "rubbish", 7, 0600) == 0);
        restart();
        CHECK(is(1, HW_CONFIRM_WAITING, HW_MODE_AUDIT));
        end();
}

static void what_was_written_whole_is_left_as_it_was(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        hw_unload(&d);
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_OFF) && d.memory.hold == HW_HOLD_UNLOADED);
        end();
}

static void a_fallback_needs_no_room_for_the_table(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11", .size = LARGE });
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        no_room_for_large_files(true);
        cut_off();
        no_room_for_large_files(false);
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        restart();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        CHECK(strcmp(d.memory.rejected_digest, "22") == 0);
        end();
}

static void dead_within_a_fallback_the_table_that_was_taken_back_stays_so(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        copy("snapshot", "kept");
        cut_off();
        copy("kept", "snapshot");
        restart();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        CHECK(swap((struct given){ 3, .mark = "33" }) == 0);
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void a_fallback_that_is_not_remembered_asks_for_a_confirmation(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        no_room_for("memory", true);
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        no_room_for("memory", false);
        restart();
        CHECK(is(1, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        end();
}

static void the_last_known_good_that_was_just_compiled_anew_suspends_nothing_by_what_it_once_ordered(void) {
        const uint64_t until = hw_wall_ms() + 60000;

        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        CHECK(swap((struct given){ 2, .digest = "22", .mark = "11", .suspended_until = until }) == 0);
        CHECK(swap((struct given){ 3, .mark = "33" }) == 0);
        cut_off();
        CHECK(is(2, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        copy("memory", "kept");
        CHECK(swap((struct given){ 2, .digest = "22", .mark = "anew", .suspended_until = until }) == 0);
        copy("kept", "memory");
        restart();
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_ENFORCE) && d.memory.highest.generation == 3);
        end();
}

static void damage(const char *name) {
        int fd = openat(d.state_fd, name, O_WRONLY | O_CLOEXEC);

        CHECK(pwrite(fd, "XXXX", 4, 40) == 4 && close(fd) == 0);
}

static void a_damaged_snapshot_is_told_of_and_never_becomes_the_last_known_good(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        swap_confirmed((struct given){ 2, .mark = "22" });
        damage("snapshot");
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        CHECK(!d.jobs.outcome.ok && strcmp(d.jobs.outcome.code, "snapshot-damaged") == 0);
        CHECK(swap((struct given){ 3, .mark = "33" }) == 0);
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

/* A field more than this version knows, in a file that is sound otherwise, as a later one would have written it. */
static void write_by_a_later_version(const char *name, uint16_t tag) {
        struct hw_buffer file = { 0 }, later = { 0 };
        const size_t checksum_bytes = HW_FIELD_HEADER_BYTES + 8;
        struct hw_header header;
        struct hw_slice payload;

        CHECK(hw_read_file(d.state_fd, name, 1u << 20, &file) == 0 && hw_header_parse(file.data, &header) == 0);
        (void)hw_frame_begin(&later, header.type, 0);
        hw_buffer_add(&later, file.data + HW_HEADER_BYTES, file.len - HW_HEADER_BYTES - checksum_bytes);
        hw_put_text(&later, tag, "what is new");
        payload = (struct hw_slice){ later.data + HW_HEADER_BYTES, later.len - HW_HEADER_BYTES };
        hw_put_u64(&later, HW_TAG_CHECKSUM, hw_crc32(payload));
        CHECK(hw_frame_end(&later, 0) == 0 && hw_write_atomic(d.state_fd, name, later.data, later.len, 0600) == 0);
        hw_buffer_free(&file);
        hw_buffer_free(&later);
}

static void what_a_later_version_may_leave_out_costs_no_rule_set(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        swap_confirmed((struct given){ 2, .mark = "22" });
        write_by_a_later_version("snapshot", HW_OPTIONAL_TAGS + 7);
        write_by_a_later_version("memory", HW_OPTIONAL_TAGS + 8);
        restart();
        CHECK(d.jobs.outcome.ok && d.table && d.table->assignment_version.generation == 2 && d.memory.highest.generation == 2);
        confirm();
        CHECK(hw_snapshot_save(d.state_fd, "snapshot", d.table) == 0);
        restart();
        CHECK(d.jobs.outcome.ok && d.table && d.table->assignment_version.generation == 2);
        end();
}

/* Of what it cannot do without it has no word: the kernel goes on, and the agent brings the rule set again. */
static void what_it_may_not_leaves_the_kernel_alone_and_comes_anew(void) {
        struct hw_buffer before = { 0 }, after = { 0 };

        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        swap_confirmed((struct given){ 2, .mark = "22" });
        CHECK(hw_read_file(d.state_fd, "kernel/apparmor/policy/profiles/hostward.1/sha256", 1u << 20, &before) == 0);
        write_by_a_later_version("snapshot", HW_TAG_LAST + 1);
        write_by_a_later_version(HW_SNAPSHOT_PREVIOUS, HW_TAG_LAST + 1);
        restart();
        CHECK(!d.table && d.loads == 0 && strcmp(d.jobs.outcome.code, "snapshot-damaged") == 0);
        CHECK(hw_read_file(d.state_fd, "kernel/apparmor/policy/profiles/hostward.1/sha256", 1u << 20, &after) == 0);
        CHECK(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
        CHECK(d.memory.highest.generation == 2);
        swap_confirmed((struct given){ 2, .mark = "22" });
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE) && d.jobs.outcome.ok);
        restart();
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE) && d.jobs.outcome.ok);
        hw_buffer_free(&before);
        hw_buffer_free(&after);
        end();
}

/* As a disk that fails once: it is there, and cannot be read. */
static void hide(const char *name) {
        CHECK(renameat(d.state_fd, name, d.state_fd, "hidden") == 0 && symlinkat(name, d.state_fd, name) == 0);
}

static void show(const char *name) {
        struct stat st;

        CHECK(fstatat(d.state_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
        CHECK(renameat(d.state_fd, "hidden", d.state_fd, name) == 0);
}

static void a_snapshot_that_cannot_be_read_once_is_back_at_the_next_start(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        swap_confirmed((struct given){ 2, .mark = "22" });
        hide("snapshot");
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        CHECK(!d.jobs.outcome.ok && strcmp(d.jobs.outcome.code, "snapshot-unreadable") == 0);
        CHECK(hw_memory_store(&d) == 0);
        show("snapshot");
        restart();
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_ENFORCE) && d.jobs.outcome.ok);
        end();
}

static void one_that_waited_to_be_confirmed_waits_again(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        hide("snapshot");
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        CHECK(hw_memory_store(&d) == 0);
        show("snapshot");
        restart();
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void one_that_cannot_be_read_does_not_become_the_last_known_good(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        swap_confirmed((struct given){ 2, .mark = "22" });
        hide("snapshot");
        restart();
        CHECK(swap((struct given){ 3, .mark = "33" }) == 0);
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void a_memory_that_cannot_be_read_once_is_not_written_over(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        hw_unload(&d);
        hide("memory");
        hw_early_run(&options);
        restart();
        CHECK(is(1, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        show("memory");
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_OFF) && d.memory.hold == HW_HOLD_UNLOADED);
        end();
}

static void what_a_link_left_under_its_temporary_name_is_not_written_into(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        CHECK(linkat(d.state_fd, "snapshot.prev", d.state_fd, ".snapshot.new", 0) == 0);
        CHECK(swap((struct given){ 3, .mark = "33" }) == 0);
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void no_fallback_brings_an_exception_back_that_has_ended(void) {
        const uint64_t until = hw_wall_ms() - 1000;

        begin();
        swap_confirmed((struct given){ 1, .digest = "11", .mark = "with exception", .valid_until = until });
        CHECK(hw_write_atomic(d.state_fd, HW_ENVELOPE, "envelope", 8, 0600) == 0);
        CHECK(swap((struct given){ 1, .digest = "11", .mark = "without" }) == 0);
        cut_off();
        CHECK(is(1, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE) && d.table->valid_until == 0);
        CHECK(is_there(HW_ENVELOPE) && d.memory.rejected_digest[0] == 0);
        CHECK(!d.jobs.outcome.ok && strcmp(d.jobs.outcome.code, "exception-ended") == 0);
        confirm();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE) && d.jobs.outcome.ok);
        end();
}

static void nor_does_one_where_the_clock_was_set_back_since(void) {
        const uint64_t until = hw_wall_ms() + 60000;

        begin();
        swap_confirmed((struct given){ 1, .digest = "11", .mark = "with exception", .valid_until = until });
        CHECK(swap((struct given){ 1, .digest = "11", .mark = "without" }) == 0);
        d.memory.ended_at = until;
        cut_off();
        CHECK(is(1, HW_CONFIRM_UNCONFIRMED, HW_MODE_ENFORCE) && d.table->valid_until == 0);
        end();
}

static void while_an_exception_lasts_its_table_comes_back(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11", .valid_until = hw_wall_ms() + 60000 });
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        cut_off();
        CHECK(is(1, HW_CONFIRM_FELL_BACK, HW_MODE_ENFORCE));
        end();
}

static void begin_suspended(uint64_t clock, enum hw_by by) {
        const struct hw_suspension s = { .active = true, .mode = HW_MODE_AUDIT, .by = by, .until = clock + 60000,
                                         .reason = "x" };

        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        d.memory.highest.issued_at = hw_wall_ms() - 60000; /* so that 1970 is a wrong clock */
        hw_suspend_begin(&d, &s);
        d.memory.seen_at = clock; /* that it had when this began */
}

static void a_clock_that_is_set_does_not_end_what_the_console_began_in_1970(void) {
        static const enum hw_by by[] = { HW_BY_CONSOLE, HW_BY_BOOT_GUARD };

        for (size_t i = 0; i < 2; i++) {
                begin_suspended(1000, by[i]);
                hw_suspend_check(&d);
                CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT));
                restart();
                CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT));
                d.timers.looked_at = hw_now_ms() - 60000; /* a minute passes */
                hw_suspend_check(&d);
                CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
                end();
        }
}

static void what_the_console_began_ends_while_the_host_is_off(void) {
        begin_suspended(hw_wall_ms() - 59900, HW_BY_CONSOLE);
        CHECK(hw_memory_store(&d) == 0);
        (void)usleep(150000);
        restart();
        hw_suspend_check(&d);
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static void it_ends_by_the_clock_too_where_the_machine_stood_still(void) {
        begin_suspended(hw_wall_ms() - 60001, HW_BY_CONSOLE);
        hw_suspend_check(&d);
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        end();
}

static void what_the_boot_guard_began_does_not_since_the_clock_is_set_after_it(void) {
        begin_suspended(hw_wall_ms() - 60001, HW_BY_BOOT_GUARD);
        hw_suspend_check(&d);
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT));
        end();
}

/* At the limit; the guard's own lasts an hour, of which the clock says that it has passed. */
static void a_boot_guard_begins_where_a_suspension_ended_while_the_host_was_off(void) {
        static const enum hw_by by[] = { HW_BY_CONSOLE, HW_BY_CONTROL_PLANE, HW_BY_BOOT_GUARD };

        for (size_t i = 0; i < 3; i++) {
                begin_suspended(hw_wall_ms() - 60001, by[i]);
                CHECK(hw_memory_store(&d) == 0);
                CHECK(hw_write_atomic(d.state_fd, "boots", "another-boot 3\n", 15, 0600) == 0);
                hw_early_run(&options);
                restart();
                hw_suspend_check(&d);
                CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_BOOT_GUARD);
                CHECK(d.memory.suspension.until > hw_wall_ms());
                end();
        }
}

/* On a full disk nothing new is written; over what is there it may be. */
static void it_counts_and_holds_where_there_is_no_room(void) {
        begin();
        swap_confirmed((struct given){ 1, .mark = "11" });
        no_room_for("boots", true);
        no_room_for("memory", true);
        CHECK(hw_write_atomic(d.state_fd, "boots-of-before", "another-boot 2\n", 15, 0600) == 0);
        CHECK(renameat(d.state_fd, "boots-of-before", d.state_fd, "boots") == 0);
        hw_early_run(&options);
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        CHECK(hw_write_atomic(d.state_fd, "boots-of-before", "another-boot 3\n", 15, 0600) == 0);
        CHECK(renameat(d.state_fd, "boots-of-before", d.state_fd, "boots") == 0);
        hw_early_run(&options);
        for (size_t i = 0; i < 2; i++) {
                restart();
                CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_BOOT_GUARD);
        }
        CHECK(hw_suspend_end(&d, "ended at the console") == 0);
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_ENFORCE));
        no_room_for("boots", false);
        no_room_for("memory", false);
        end();
}

static void it_leaves_alone_what_has_not_ended(void) {
        begin_suspended(hw_wall_ms(), HW_BY_CONSOLE);
        CHECK(hw_memory_store(&d) == 0);
        CHECK(hw_write_atomic(d.state_fd, "boots", "another-boot 3\n", 15, 0600) == 0);
        hw_early_run(&options);
        restart();
        CHECK(is(1, HW_CONFIRM_DONE, HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_CONSOLE);
        end();
}

static void what_the_boot_guard_began_lasts_over_a_renewal(void) {
        begin_suspended(hw_wall_ms(), HW_BY_BOOT_GUARD);
        CHECK(swap((struct given){ 2, .mark = "11" }) == 0);
        CHECK(is(2, HW_CONFIRM_DONE, HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_BOOT_GUARD);
        CHECK(swap((struct given){ 3, .mark = "11", .suspended_until = hw_wall_ms() + 60000 }) == 0);
        CHECK(is(3, HW_CONFIRM_DONE, HW_MODE_AUDIT) && d.memory.suspension.by == HW_BY_CONTROL_PLANE);
        end();
}

static void it_ends_with_a_rule_set_of_another_effect(void) {
        begin_suspended(hw_wall_ms(), HW_BY_BOOT_GUARD);
        CHECK(swap((struct given){ 2, .mark = "22" }) == 0);
        CHECK(is(2, HW_CONFIRM_WAITING, HW_MODE_ENFORCE));
        end();
}

int main(void) {
        (void)signal(SIGXFSZ, SIG_IGN);
        TEST(a_swap_that_finds_no_room_is_undone_without_any);
        TEST(a_first_swap_that_finds_no_room_leaves_nothing);
        TEST(nothing_is_replaced_that_cannot_be_put_back);
        TEST(what_the_kernel_refuses_is_undone_and_what_was_not_kept_is_kept_later);
        TEST(a_snapshot_that_somebody_removed_is_no_reason_to_refuse_the_next);
        TEST(dead_between_snapshot_and_memory_the_new_table_waits_to_be_confirmed);
        TEST(under_overrides_an_agent_of_before_does_not_confirm_it);
        TEST(a_suspension_that_came_with_that_table_is_in_force);
        TEST(so_it_is_where_the_effect_alone_is_new);
        TEST(so_it_is_where_the_memory_cannot_be_read);
        TEST(what_was_written_whole_is_left_as_it_was);
        TEST(a_fallback_needs_no_room_for_the_table);
        TEST(dead_within_a_fallback_the_table_that_was_taken_back_stays_so);
        TEST(a_fallback_that_is_not_remembered_asks_for_a_confirmation);
        TEST(the_last_known_good_that_was_just_compiled_anew_suspends_nothing_by_what_it_once_ordered);
        TEST(a_damaged_snapshot_is_told_of_and_never_becomes_the_last_known_good);
        TEST(what_a_later_version_may_leave_out_costs_no_rule_set);
        TEST(what_it_may_not_leaves_the_kernel_alone_and_comes_anew);
        TEST(a_snapshot_that_cannot_be_read_once_is_back_at_the_next_start);
        TEST(one_that_waited_to_be_confirmed_waits_again);
        TEST(one_that_cannot_be_read_does_not_become_the_last_known_good);
        TEST(a_memory_that_cannot_be_read_once_is_not_written_over);
        TEST(what_a_link_left_under_its_temporary_name_is_not_written_into);
        TEST(no_fallback_brings_an_exception_back_that_has_ended);
        TEST(nor_does_one_where_the_clock_was_set_back_since);
        TEST(while_an_exception_lasts_its_table_comes_back);
        TEST(a_clock_that_is_set_does_not_end_what_the_console_began_in_1970);
        TEST(what_the_console_began_ends_while_the_host_is_off);
        TEST(it_ends_by_the_clock_too_where_the_machine_stood_still);
        TEST(what_the_boot_guard_began_does_not_since_the_clock_is_set_after_it);
        TEST(a_boot_guard_begins_where_a_suspension_ended_while_the_host_was_off);
        TEST(it_counts_and_holds_where_there_is_no_room);
        TEST(it_leaves_alone_what_has_not_ended);
        TEST(what_the_boot_guard_began_lasts_over_a_renewal);
        TEST(it_ends_with_a_rule_set_of_another_effect);
        return 0;
}
