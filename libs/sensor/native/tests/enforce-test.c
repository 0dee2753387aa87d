/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "clock.h"
#include "confirm.h"
#include "devices.h"
#include "enforce.h"
#include "fake-host.h"
#include "file.h"
#include "jobs.h"
#include "kernel-file.h"
#include "recompile.h"
#include "samples.h"
#include "state.h"
#include "suspend.h"

/* What the daemon says of the kernel when a load fails: never that what was read back before is in force. */

static struct hw_options options;
static struct hw_daemon d;
static char dir[64], securityfs[80], refuse[120];

static void begin(void) {
        strcpy(dir, "/tmp/hostward-enforce-XXXXXX");
        CHECK(mkdtemp(dir));
        make_host(dir, securityfs, sizeof securityfs);
        (void)snprintf(refuse, sizeof refuse, "%s/apparmor/refuse", securityfs);
        options = (struct hw_options){ .confirm_ms = 1000, .dropin_dir = "/nonexistent", .securityfs = securityfs,
                                       .sysfs = securityfs };
        start_daemon(&d, &options, dir);
}

static void end(void) {
        stop_daemon(&d);
        remove_host(dir);
}

static void swap_with(const char *devices, uint64_t generation, const char *mark) {
        const struct sample sample = { .generation = generation, .digest = mark, .names = { "hostward" }, .mark = mark,
                                       .probe = "read\0p/r\0hostward\0/etc/hostname", .probe_len = 31 };
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        sample_payload(&payload, &sample);
        if (devices)
                hw_put_text(&payload, HW_TAG_DEVICES, devices);
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        CHECK(hw_enforce_swap(&d, t) == 0);
}

static void swap(uint64_t generation, const char *mark) {
        swap_with(NULL, generation, mark);
}

static void kernel_refuses(bool yes) {
        if (yes)
                CHECK(close(open(refuse, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
        else
                CHECK(unlink(refuse) == 0);
}

static bool state_has(const char *text) {
        struct hw_buffer json = { 0 };
        bool found;

        hw_state_write(&d, &json);
        hw_buffer_add(&json, "", 1);
        found = strstr((const char *)json.data, text) != NULL;
        hw_buffer_free(&json);
        return found;
}

static void suspend(void) {
        const struct hw_suspension s = { .active = true, .mode = HW_MODE_AUDIT, .until = hw_wall_ms() + 60000,
                                         .reason = "x" };

        hw_suspend_begin(&d, &s);
}

static void what_a_suspension_left_is_not_taken_for_enforcing(void) {
        begin();
        swap(1, "11");
        CHECK(d.profiles.list[0].ok);
        suspend();
        kernel_refuses(true);
        hw_suspend_end(&d, "its time is over");
        CHECK(hw_memory_mode(&d.memory) == HW_MODE_ENFORCE);
        CHECK(!d.jobs.outcome.ok && !d.profiles.list[0].ok);
        end();
}

static void a_load_that_failed_is_tried_again_until_it_succeeds(void) {
        begin();
        swap(1, "11");
        suspend();
        kernel_refuses(true);
        hw_suspend_end(&d, "its time is over");
        hw_enforce_check(&d);
        CHECK(!d.jobs.outcome.ok && !d.profiles.list[0].ok);
        kernel_refuses(false);
        hw_enforce_check(&d);
        CHECK(d.jobs.outcome.ok && d.profiles.list[0].ok);
        end();
}

/* What stands beside .replace tells the kernel how to behave. */
static void kernel_does(const char *what, bool yes) {
        char path[160];

        (void)snprintf(path, sizeof path, "%s/apparmor/%s", securityfs, what);
        if (yes)
                CHECK(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
        else
                CHECK(unlink(path) == 0);
}

static bool is_loaded(void) {
        char path[160];

        (void)snprintf(path, sizeof path, "%s/apparmor/policy/profiles/hostward.1", securityfs);
        return access(path, F_OK) == 0;
}

static void what_was_gone_before_it_could_be_read_back_is_loaded_again(void) {
        begin();
        kernel_does("lose", true);
        swap(1, "11");
        CHECK(!d.jobs.outcome.ok && !is_loaded());
        kernel_does("lose", false);
        hw_enforce_check(&d);
        CHECK(d.jobs.outcome.ok && d.profiles.list[0].ok && is_loaded());
        end();
}

static void so_it_is_where_drift_was_repaired_and_whatever_was_said_since(void) {
        begin();
        swap(1, "11");
        kernel_does("lose", true);
        (void)hw_kernel_write(securityfs, ".remove", "hostward", 8);
        hw_enforce_check(&d);
        CHECK(!d.jobs.outcome.ok && d.n_drift == 1);
        hw_outcome_set(&d, false, "snapshot-failed", "%s", "a later rule set found no room");
        kernel_does("lose", false);
        hw_enforce_check(&d);
        CHECK(d.jobs.outcome.ok && is_loaded() && d.drift[0].repaired_at);
        end();
}

static void what_is_never_shown_is_loaded_now_and_then(void) {
        uint64_t loads;

        begin();
        kernel_does("lose", true);
        swap(1, "11");
        hw_enforce_check(&d);
        loads = d.loads;
        hw_enforce_check(&d);
        CHECK(d.loads == loads);
        d.timers.reload_at = 0; /* the pause is over */
        hw_enforce_check(&d);
        hw_enforce_check(&d);
        CHECK(d.loads == loads + 1);
        end();
}

/* What the profile is in the kernel: two that are alike have the same. */
static bool hash_is(const char *hash) {
        char path[160];
        struct hw_buffer file = { 0 };
        bool is;

        (void)snprintf(path, sizeof path, "%s/apparmor/policy/profiles/hostward.1/sha256", securityfs);
        CHECK(hw_read_file(AT_FDCWD, path, 100, &file) == 0);
        is = file.len == strlen(hash) + 1 && memcmp(file.data, hash, strlen(hash)) == 0;
        hw_buffer_free(&file);
        return is;
}

static void load_other(const char *mark) {
        struct hw_buffer blob = { 0 };

        sample_profile(&blob, "hostward", mark);
        CHECK(hw_kernel_write(securityfs, ".replace", blob.data, blob.len) == 0);
        hw_buffer_free(&blob);
}

static void what_an_earlier_life_left_under_the_name_is_not_believed_where_it_cannot_be_read(void) {
        char hash[129];

        begin();
        kernel_does("no-export", true);
        swap(1, "11");
        (void)snprintf(hash, sizeof hash, "%s", d.profiles.list[0].hash);
        CHECK(d.profiles.list[0].ok);
        load_other("open"); /* while the daemon is dead; or it died before it loaded what it had written */
        stop_daemon(&d);
        start_daemon(&d, &options, dir);
        hw_enforce_start(&d);
        CHECK(d.jobs.outcome.ok && d.profiles.list[0].ok && hash_is(hash));
        end();
}

static void nor_is_what_somebody_else_loaded_since(void) {
        char hash[129];

        begin();
        kernel_does("no-export", true);
        swap(1, "11");
        (void)snprintf(hash, sizeof hash, "%s", d.profiles.list[0].hash);
        CHECK(hw_jobs_add(&d, HW_JOB_RECHECK, 0, 0, (struct hw_slice){ 0 }) == 0);
        CHECK(d.jobs.outcome.ok && d.loads == 1); /* nothing is loaded for asking */
        load_other("open");
        CHECK(hw_jobs_add(&d, HW_JOB_RECHECK, 0, 0, (struct hw_slice){ 0 }) == 0);
        CHECK(d.jobs.outcome.ok && d.profiles.list[0].ok && hash_is(hash));
        end();
}

static void a_fallback_that_the_kernel_refuses_tells_of_the_table_that_is_wanted(void) {
        const struct hw_audit_record denial = { .denied = true, .fsuid = AGENT, .pid = -1 };
        struct hw_audit_record record = denial;

        begin();
        swap(1, "11");
        CHECK(hw_confirm_accept(&d, getpid(), &d.table->assignment_version) == 0);
        swap(2, "22");
        record.time_ms = hw_wall_ms();
        hw_confirm_evidence(&d, &record);
        kernel_refuses(true);
        hw_confirm_expired(&d);
        CHECK(d.table->assignment_version.generation == 1 && !d.jobs.outcome.ok);
        CHECK(state_has("\"name\":\"hostward\"") && state_has("\"ok\":false"));
        end();
}

static void put(const char *name, const void *data, size_t len) {
        char path[160];
        int fd;

        (void)snprintf(path, sizeof path, "%s/%s", securityfs, name);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && hw_write_all(fd, data, len) == 0 && close(fd) == 0);
}

static void make_folders(const char *const *folders, size_t n) {
        char path[160];

        for (size_t i = 0; i < n; i++) {
                (void)snprintf(path, sizeof path, "%s/%s", securityfs, folders[i]);
                CHECK(mkdir(path, 0700) == 0);
        }
}

#define MODE "module/apparmor/parameters/mode"

static void be_in_mode(const char *mode) {
        (void)unlinkat(d.state_fd, "kernel/" MODE, 0);
        put(MODE, mode, strlen(mode));
}

static void nothing_is_in_force_while_apparmor_lets_everything_pass(void) {
        static const char *const folders[] = { "module", "module/apparmor", "module/apparmor/parameters" };

        begin();
        make_folders(folders, HW_LEN(folders));
        be_in_mode("kill\n");
        swap(1, "11");
        CHECK(d.jobs.outcome.ok && d.loads == 1);
        be_in_mode("complain\n");
        for (size_t i = 0; i < 3; i++)
                hw_enforce_check(&d);
        CHECK(!d.jobs.outcome.ok && strcmp(d.jobs.outcome.code, "apparmor-lets-pass") == 0 && strstr(d.jobs.outcome.message, "mode complain"));
        CHECK(d.loads == 1 && d.n_drift == 1 && !d.drift[0].repaired_at); /* told once, and nothing is loaded for it */
        CHECK(strcmp(d.drift[0].what, "AppArmor was put into mode complain for all profiles") == 0);
        swap(2, "22");
        CHECK(!d.jobs.outcome.ok && strcmp(d.jobs.outcome.code, "apparmor-lets-pass") == 0);
        be_in_mode("enforce\n");
        hw_enforce_check(&d);
        CHECK(d.jobs.outcome.ok && d.drift[0].repaired_at && d.loads == 2);
        end();
}

/* A disk, in use. */
static void plug(void) {
        static const uint8_t disk[] = { 18, 1, 0, 2, 0, 0, 0, 64, 0xf4, 0x46, 1, 0, 0, 0, 0, 0, 0, 1, /* the device */
                                        9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 8, 6, 80, 0 };
        static const char *const folders[] = { "bus", "bus/usb", "bus/usb/devices", "bus/usb/devices/1-2" };

        make_folders(folders, HW_LEN(folders));
        put("bus/usb/devices/1-2/devnum", "5\n", 2);
        put("bus/usb/devices/1-2/authorized", "1\n", 2);
        put("bus/usb/devices/1-2/dev", "189:1\n", 6);
        put("bus/usb/devices/1-2/descriptors", disk, sizeof disk);
        hw_devices_start(&d);
}

static void nor_does_it_tell_of_devices_by_rules_that_are_gone(void) {
        const struct hw_audit_record denial = { .denied = true, .fsuid = AGENT, .pid = -1, .time_ms = UINT64_MAX };

        begin();
        plug();
        swap_with("audit 100 4 8 - - - nothing\n", 1, "11");
        CHECK(hw_confirm_accept(&d, getpid(), &d.table->assignment_version) == 0);
        swap_with("audit 100 5 8 - - - nothing\n", 2, "22");
        CHECK(d.usb.n == 1 && d.usb.devices[0].verdict.rule->rule == 5);
        strcpy(d.usb.devices[0].spared, "as a device that the host cannot be without");
        hw_confirm_evidence(&d, &denial);
        kernel_refuses(true);
        hw_confirm_expired(&d);
        CHECK(d.table->assignment_version.generation == 1 && !d.jobs.outcome.ok);
        CHECK(state_has("\"devices\":") && d.usb.devices[0].verdict.rule->rule == 4);
        hw_usb_close(&d.usb);
        end();
}

static void a_swap_that_the_kernel_refuses_leaves_what_was_in_force(void) {
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;
        const struct sample sample = { .generation = 2, .digest = "22", .names = { "hostward" }, .mark = "22" };

        begin();
        swap(1, "11");
        kernel_refuses(true);
        sample_payload(&payload, &sample);
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        CHECK(hw_enforce_swap(&d, t) < 0);
        CHECK(d.table->assignment_version.generation == 1 && d.profiles.list[0].ok);
        end();
}

/* As the compiler answers the question that runs. */
static void answer_compiled(const char *mark) {
        const struct sample sample = { .generation = 1, .digest = "11", .names = { "hostward" }, .mark = mark };
        struct hw_buffer frame = { 0 };
        const size_t begun = hw_frame_begin(&frame, HW_MSG_COMPILED, 1);
        struct hw_buffer payload = { 0 };
        int ends[2];

        sample_payload(&payload, &sample);
        hw_buffer_add(&frame, payload.data, payload.len);
        CHECK(hw_frame_end(&frame, begun) == 0);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        CHECK(hw_write_all(ends[1], frame.data, frame.len) == 0);
        d.jobs.compile.fd = ends[0];
        hw_jobs_compile_ready(&d);
        CHECK(d.jobs.compile.fd < 0 && close(ends[1]) == 0);
        hw_buffer_free(&payload);
        hw_buffer_free(&frame);
}

static void recompile(const char *mark) {
        d.jobs.running.kind = HW_JOB_RECOMPILE;
        hw_recompile_begins(&d);
        answer_compiled(mark);
}

static void what_was_compiled_anew_and_is_refused_by_the_kernel_is_compiled_again(void) {
        const uint64_t before = 7;

        begin();
        swap(1, "11");
        CHECK(hw_confirm_accept(&d, getpid(), &d.table->assignment_version) == 0);
        d.context = before;
        kernel_refuses(true);
        recompile("22");
        CHECK(!d.jobs.outcome.ok && d.memory.confirm == HW_CONFIRM_DONE);
        CHECK(d.context == before && d.timers.recompile_at > hw_now_ms());
        kernel_refuses(false);
        recompile("22");
        CHECK(d.jobs.outcome.ok && d.memory.confirm == HW_CONFIRM_WAITING);
        CHECK(d.context == d.compiled_beside);
        end();
}

static void what_has_expired_stays_in_force_and_is_called_stale(void) {
        begin();
        CHECK(state_has("\"stale\":false")); /* nothing is in force */
        swap(1, "11");
        CHECK(d.profiles.list[0].ok && state_has("\"stale\":true")); /* the samples expired in 1970 */
        d.table->expires_at = hw_wall_ms() + 60000;
        CHECK(state_has("\"stale\":false"));
        d.memory.highest.issued_at = d.table->expires_at;
        CHECK(state_has("\"stale\":true")); /* the clock is behind what was signed */
        end();
}

static void an_order_that_ended_before_the_last_signed_time_suspends_nothing(void) {
        const uint64_t wall = hw_wall_ms();
        struct hw_table t = { .suspend = { .set = true, .mode = HW_MODE_OFF, .until = wall + 60000, .reason = "x" } };
        struct hw_memory m = { .highest.issued_at = wall + 3600000 };

        hw_suspend_order(&m, &t, false);
        CHECK(!m.suspension.active); /* the clock is behind what was signed */
        m.highest.issued_at = wall;
        hw_suspend_order(&m, &t, false);
        CHECK(m.suspension.active && !hw_suspension_over(&m, wall));
        m.highest.issued_at = wall + 3600000;
        CHECK(hw_suspension_over(&m, wall));
        m.suspension.by = HW_BY_CONSOLE;
        CHECK(!hw_suspension_over(&m, wall)); /* the console's brake holds on a host in 1970 */
}

static void a_suspension_ends_on_a_host_whose_clock_stands_behind(void) {
        begin();
        swap(1, "11");
        suspend();
        d.memory.seen_at = d.memory.suspension.until - 50; /* the clock was set back since */
        d.timers.looked_at = hw_now_ms();
        hw_suspend_check(&d);
        CHECK(d.memory.suspension.active);
        d.timers.looked_at = hw_now_ms() - 100;
        hw_suspend_check(&d);
        CHECK(!d.memory.suspension.active && hw_memory_mode(&d.memory) == HW_MODE_ENFORCE);
        end();
}

static void a_block_that_is_being_proved_is_not_taken_for_one_without_proof(void) {
        begin();
        swap(1, "11");
        CHECK(state_has("\"probes\":[]")); /* the prober cannot be run: nothing will come */
        d.jobs.running.kind = HW_JOB_PROBE;
        CHECK(state_has("\"result\":\"inconclusive\",\"errno\":115"));
        d.jobs.running.kind = HW_JOB_NONE;
        end();
}

int main(void) {
        TEST(what_a_suspension_left_is_not_taken_for_enforcing);
        TEST(a_load_that_failed_is_tried_again_until_it_succeeds);
        TEST(what_was_gone_before_it_could_be_read_back_is_loaded_again);
        TEST(so_it_is_where_drift_was_repaired_and_whatever_was_said_since);
        TEST(what_is_never_shown_is_loaded_now_and_then);
        TEST(what_an_earlier_life_left_under_the_name_is_not_believed_where_it_cannot_be_read);
        TEST(nor_is_what_somebody_else_loaded_since);
        TEST(a_fallback_that_the_kernel_refuses_tells_of_the_table_that_is_wanted);
        TEST(nothing_is_in_force_while_apparmor_lets_everything_pass);
        TEST(nor_does_it_tell_of_devices_by_rules_that_are_gone);
        TEST(a_swap_that_the_kernel_refuses_leaves_what_was_in_force);
        TEST(what_was_compiled_anew_and_is_refused_by_the_kernel_is_compiled_again);
        TEST(what_has_expired_stays_in_force_and_is_called_stale);
        TEST(an_order_that_ended_before_the_last_signed_time_suspends_nothing);
        TEST(a_suspension_ends_on_a_host_whose_clock_stands_behind);
        TEST(a_block_that_is_being_proved_is_not_taken_for_one_without_proof);
        return 0;
}
