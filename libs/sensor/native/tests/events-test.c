/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "events.h"

/* Numbers of events, over starts of the daemon: who has seen all up to one is owed whatever comes after it. */

#define HOURS_AHEAD 2ull

static struct hw_events events;
static char dir[64];
static int dirfd;

static void begin(void) {
        strcpy(dir, "/tmp/hostward-events-XXXXXX");
        CHECK(mkdtemp(dir));
        dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(dirfd >= 0);
        hw_events_init(&events, dirfd);
}

/* As a kill -9 does, but that memory is freed. */
static void restart(void) {
        hw_events_free(&events);
        hw_events_init(&events, dirfd);
}

static void end(void) {
        hw_events_free(&events);
        (void)unlinkat(dirfd, "journal", 0);
        (void)unlinkat(dirfd, "numbers", 0);
        CHECK(rmdir(dir) == 0);
        (void)close(dirfd);
}

/* As if the daemon had been started by a clock that was ahead. */
static void start_ahead(void) {
        events.next_seq = events.run_begin += HOURS_AHEAD * 3600 << 20;
}

/* One that is in no file; its number. */
static uint64_t deny(void) {
        static struct hw_actor actor;
        const struct hw_audit_record denial = { .denied = true, .actor = &actor };

        hw_events_add_record(&events, &denial, 1);
        return events.next_seq - 1;
}

/* What is told to who has seen all up to `seen`. */
static void check_told(uint64_t seen, uint64_t told) {
        uint64_t missed;
        const struct hw_event *e = hw_events_after(&events, seen, &missed);

        CHECK(seen < told && e && e->seq == told && missed == 0);
        CHECK(hw_events_after(&events, told, &missed) == NULL);
}

static void numbers_begin_at_the_seconds_of_the_clock(void) {
        begin();
        CHECK(events.next_seq >> 20 <= hw_wall_ms() / 1000 && hw_wall_ms() / 1000 - (events.next_seq >> 20) < 600);
        end();
}

static void denials_after_a_clock_that_was_ahead_are_told_of_over_any_number_of_starts(void) {
        uint64_t seen = 0;

        begin();
        start_ahead();
        hw_events_add_own(&events, "loaded", NULL, "test");
        for (size_t i = 0; i < 100; i++)
                seen = deny();
        for (size_t start = 0; start < 3; start++) {
                uint64_t told;

                restart();
                told = deny();
                check_told(seen, told);
                seen = told;
        }
        end();
}

static void no_number_comes_twice_however_many_were_given_out(void) {
        uint64_t seen = 0;

        begin();
        start_ahead();
        deny();
        events.next_seq += (1u << 20) - 3;
        for (size_t i = 0; i < 10; i++)
                seen = deny();
        restart();
        check_told(seen, deny());
        end();
}

static void numbers_that_cannot_be_kept_still_grow_beyond_the_journal(void) {
        uint64_t last;

        begin();
        start_ahead();
        CHECK(mkdirat(dirfd, "numbers.new", 0700) == 0);
        (void)unlinkat(dirfd, "numbers", 0);
        hw_events_add_own(&events, "loaded", NULL, "test");
        last = events.next_seq - 1;
        restart();
        CHECK(deny() > last);
        CHECK(unlinkat(dirfd, "numbers.new", AT_REMOVEDIR) == 0);
        end();
}

int main(void) {
        TEST(numbers_begin_at_the_seconds_of_the_clock);
        TEST(denials_after_a_clock_that_was_ahead_are_told_of_over_any_number_of_starts);
        TEST(no_number_comes_twice_however_many_were_given_out);
        TEST(numbers_that_cannot_be_kept_still_grow_beyond_the_journal);
        return 0;
}
