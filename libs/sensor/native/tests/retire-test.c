/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "clock.h"
#include "early.h"
#include "file.h"
#include "lives.h"
#include "samples.h"

/* A unit that names a profile which is not loaded does not start: a drop-in goes before the profile that it names. */

#define SOURCE "hostward-src-a1"
#define OURS "web.service\0[Service]\nAppArmorProfile=" SOURCE "//&web\n"
#define CATCH_ALL "web.service\0[Service]\nAppArmorProfile=hostward//&web\n"

static char units[80];

static void begin_with_units(void) {
        begin();
        (void)snprintf(units, sizeof units, "%s/units", dir);
        CHECK(mkdir(units, 0755) == 0 && mknodat(d.state_fd, "kernel/apparmor/.replace", S_IFREG | 0600, 0) == 0);
        options.dropin_dir = units;
}

static bool swap(uint64_t generation, const char *mark, bool has_source) {
        const struct sample sample = { .generation = generation, .digest = mark,
                                       .names = { "hostward", has_source ? SOURCE : NULL }, .mark = mark,
                                       .dropin = has_source ? OURS : CATCH_ALL,
                                       .dropin_len = has_source ? sizeof OURS - 1 : sizeof CATCH_ALL - 1 };
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        sample_payload(&payload, &sample);
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        return hw_enforce_swap(&d, t) == 0;
}

static bool is_there(const char *path) {
        return faccessat(d.state_fd, path, F_OK, 0) == 0;
}

static bool is_loaded(void) {
        return is_there("kernel/apparmor/policy/profiles/" SOURCE ".1");
}

static bool names_source(void) {
        struct hw_buffer file = { 0 };
        bool names;

        if (hw_read_file(d.state_fd, "units/web.service.d/50-hostward.conf", 4096, &file) < 0)
                return false;
        hw_buffer_add(&file, "", 1);
        names = strstr((const char *)file.data, SOURCE) != NULL;
        hw_buffer_free(&file);
        return names;
}

static void systemd_has_read(void) {
        d.units_read_at = 0;
        hw_enforce_retire(&d);
}

static void make_unwritable(bool yes) {
        const char *const temp = "units/web.service.d/.50-hostward.conf.new";

        CHECK((yes ? mkdirat(d.state_fd, temp, 0700) : unlinkat(d.state_fd, temp, AT_REMOVEDIR)) == 0);
}

static void a_profile_stays_until_systemd_has_read_that_no_unit_names_it(void) {
        begin_with_units();
        CHECK(swap(1, "11", true) && names_source());
        CHECK(swap(2, "22", false) && !names_source());
        CHECK(is_loaded() && d.unretired);
        hw_enforce_retire(&d);
        CHECK(is_loaded());
        systemd_has_read();
        CHECK(!is_loaded() && !d.unretired);
        end();
}

static void it_stays_where_the_dropin_cannot_be_written(void) {
        begin_with_units();
        CHECK(swap(1, "11", true));
        make_unwritable(true);
        CHECK(swap(2, "22", false) && names_source());
        systemd_has_read();
        CHECK(is_loaded() && d.unretired);
        make_unwritable(false);
        hw_units_check(&d);
        systemd_has_read();
        CHECK(!names_source() && !is_loaded());
        end();
}

static void it_stays_where_a_fallback_cannot_be_loaded(void) {
        begin_with_units();
        CHECK(swap(1, "11", false));
        confirm();
        CHECK(swap(2, "22", true) && names_source());
        CHECK(mkdirat(d.state_fd, "kernel/apparmor/refuse", 0700) == 0);
        cut_off();
        systemd_has_read();
        CHECK(names_source() && is_loaded());
        CHECK(unlinkat(d.state_fd, "kernel/apparmor/refuse", AT_REMOVEDIR) == 0);
        hw_enforce_check(&d);
        CHECK(!names_source() && is_loaded());
        systemd_has_read();
        CHECK(!is_loaded());
        end();
}

static void it_is_there_while_enforcement_is_suspended(void) {
        const struct hw_suspension s = { .active = true, .mode = HW_MODE_OFF, .until = hw_wall_ms() + 60000,
                                         .reason = "x" };

        begin_with_units();
        CHECK(swap(1, "11", true));
        hw_suspend_begin(&d, &s);
        systemd_has_read();
        CHECK(names_source() && is_loaded());
        CHECK(hw_unload(&d) == 0);
        systemd_has_read();
        CHECK(names_source() && is_loaded());
        end();
}

static void dead_before_the_dropin_was_written_the_next_start_writes_it_first(void) {
        begin_with_units();
        CHECK(swap(1, "11", true));
        make_unwritable(true);
        CHECK(swap(2, "22", false));
        make_unwritable(false);
        restart();
        CHECK(!names_source() && is_loaded());
        systemd_has_read();
        CHECK(!is_loaded());
        end();
}

static void a_boot_without_the_table_takes_its_dropins_away(void) {
        begin_with_units();
        CHECK(swap(1, "11", false));
        confirm();
        CHECK(swap(2, "22", true) && names_source());
        CHECK(hw_write_atomic(d.state_fd, "snapshot", "no frame", 8, 0600) == 0);
        hw_early_run(&options);
        CHECK(!names_source() && is_there("units/web.service.d/50-hostward.conf"));
        CHECK(hw_write_atomic(d.state_fd, HW_SNAPSHOT_PREVIOUS, "no frame", 8, 0600) == 0);
        hw_early_run(&options);
        CHECK(!is_there("units/web.service.d/50-hostward.conf"));
        end();
}

int main(void) {
        TEST(a_profile_stays_until_systemd_has_read_that_no_unit_names_it);
        TEST(it_stays_where_the_dropin_cannot_be_written);
        TEST(it_stays_where_a_fallback_cannot_be_loaded);
        TEST(it_is_there_while_enforcement_is_suspended);
        TEST(dead_before_the_dropin_was_written_the_next_start_writes_it_first);
        TEST(a_boot_without_the_table_takes_its_dropins_away);
        return 0;
}
