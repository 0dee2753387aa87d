/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "coverage.h"
#include "dropin.h"
#include "file.h"
#include "policy-blob.h"
#include "samples.h"
#include "snapshot.h"

static int refuses(const struct sample *sample) {
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;
        int r;

        sample_payload(&payload, sample);
        r = hw_table_parse(&payload, &t, &why);
        (void)hw_table_free(t);
        return r == -EBADMSG;
}

static void assignment_versions_compare_by_epoch_then_generation_then_time(void) {
        const struct hw_assignment_version a = { 1, 9, 9 }, b = { 2, 0, 0 }, c = { 2, 0, 1 }, d = { 2, 1, 0 };

        CHECK(hw_assignment_version_compare(&a, &b) < 0 && hw_assignment_version_compare(&b, &c) < 0 && hw_assignment_version_compare(&c, &d) < 0);
        CHECK(hw_assignment_version_compare(&d, &a) > 0 && hw_assignment_version_compare(&a, &a) == 0);
        CHECK(!hw_assignment_version_is_set(&(struct hw_assignment_version){ 0 }) && hw_assignment_version_is_set(&c));
}

static void a_table_may_hold_profiles_of_ours_only(void) {
        CHECK(!refuses(&(struct sample){ .digest = "ab", .names = { "hostward", "hostward-src-x" } }));
        CHECK(refuses(&(struct sample){ .digest = "ab", .names = { "hostward", "hostward-sensor" } }));
        CHECK(refuses(&(struct sample){ .digest = "ab", .names = { "hostward", "hostward-src-" } }));
        CHECK(refuses(&(struct sample){ .digest = "ab", .names = { "hostward", "hostward-src-a/b" } }));
        CHECK(refuses(&(struct sample){ .digest = "ab", .names = { "hostward", "/usr/sbin/mysqld" } }));
        CHECK(refuses(&(struct sample){ .digest = "ab", .names = { "hostward" }, .blob_names = { "mysqld" } }));
        CHECK(refuses(&(struct sample){
                .digest = "ab", .names = { "hostward" }, .blob_names = { "hostward", "hostward-sensor" } }));
        CHECK(refuses(&(struct sample){
                .digest = "ab", .names = { "hostward", "hostward-src-x" }, .blob_names = { "hostward" } }));
}

static void digests_and_probes_are_checked(void) {
        CHECK(refuses(&(struct sample){ .digest = "", .names = { "hostward" } }));
        CHECK(refuses(&(struct sample){ .digest = "../x", .names = { "hostward" } }));
        CHECK(refuses(&(struct sample){ .digest = "a", .names = { "hostward" }, .probe = "read\0r\0p", .probe_len = 8 }));
        CHECK(refuses(&(struct sample){
                .digest = "a", .names = { "hostward" }, .probe = "run\0r\0p\0/x", .probe_len = 10 }));
        CHECK(refuses(&(struct sample){
                .digest = "a", .names = { "hostward" }, .probe = "read\0r\0p\0x", .probe_len = 10 }));
        CHECK(!refuses(&(struct sample){
                .digest = "a", .names = { "hostward" }, .probe = "read\0r\0p\0/x", .probe_len = 11 }));
}

static void drop_ins_can_name_a_profile_and_nothing_else(void) {
        CHECK(hw_dropin_is_sound("a@b.service", "# x\n[Service]\nAppArmorProfile=-hostward//&/usr/sbin/x\n"));
        CHECK(!hw_dropin_is_sound("a.service", "[Service]\nExecStart=/bin/sh\nAppArmorProfile=x\n"));
        CHECK(!hw_dropin_is_sound("a.service", "[Service]\nAppArmorProfile=x y\n"));
        CHECK(!hw_dropin_is_sound("a.service", "[Service]\nAppArmorProfile=x\\\nExecStart=/bin/sh\n"));
        CHECK(!hw_dropin_is_sound("a.service", "# \\\n[Service]\nAppArmorProfile=x\n"));
        CHECK(!hw_dropin_is_sound("a.service", "[Service]\n"));
        CHECK(!hw_dropin_is_sound("../a.service", "[Service]\nAppArmorProfile=x\n"));
        CHECK(!hw_dropin_is_sound("a.timer", "[Service]\nAppArmorProfile=x\n"));
        CHECK(!hw_dropin_is_sound(".service", "[Service]\nAppArmorProfile=x\n"));
}

static int count(struct hw_slice name, struct hw_slice bytes, void *userdata) {
        CHECK(name.len && bytes.len);
        return (void)++*(int *)userdata, 0;
}

static void binary_policy_is_walked_and_never_beyond_its_end(void) {
        struct hw_buffer b = { 0 };
        int whole = 0;

        sample_profile(&b, "hostward", NULL);
        sample_profile(&b, "hostward-src-1", NULL);
        CHECK(hw_blob_walk((struct hw_slice){ b.data, b.len }, count, &whole) == 0 && whole == 2);
        for (size_t n = 1; n < b.len; n++) {
                uint8_t *exact = malloc(n);
                int found = 0, r;

                memcpy(exact, b.data, n);
                r = hw_blob_walk((struct hw_slice){ exact, n }, count, &found);
                CHECK((r == 0 && found == 1) || r == -EBADMSG);
                free(exact);
        }
        hw_buffer_free(&b);
}

static int temporary(char path[64]) {
        int fd;

        strcpy(path, "/tmp/hostward-table-test-XXXXXX");
        CHECK(mkdtemp(path));
        fd = open(path, O_RDONLY | O_DIRECTORY);
        CHECK(fd >= 0);
        return fd;
}

static void finish_temporary(int fd, const char *path, const char *file) {
        CHECK(unlinkat(fd, file, 0) == 0);
        CHECK(rmdir(path) == 0); /* and nothing else was left there */
        (void)close(fd);
}

static void a_snapshot_cut_or_changed_anywhere_is_not_loaded(void) {
        struct hw_table *t = sample_table(7, "abcd"), *back = NULL;
        struct hw_buffer file = { 0 };
        char path[64];
        int fd = temporary(path);

        CHECK(hw_snapshot_load(fd, HW_SNAPSHOT, &back) == -ENOENT);
        CHECK(hw_snapshot_save(fd, HW_SNAPSHOT, t) == 0);
        CHECK(hw_snapshot_load(fd, HW_SNAPSHOT, &back) == 0);
        CHECK(back->assignment_version.generation == 7 && strcmp(back->digest, "abcd") == 0 && back->n_names == 2);
        CHECK(back->payload.len == t->payload.len && memcmp(back->payload.data, t->payload.data, t->payload.len) == 0);
        back = hw_table_free(back);
        CHECK(hw_read_file(fd, HW_SNAPSHOT, 1 << 20, &file) == 0);
        for (size_t n = 0; n < file.len; n += 3) {
                CHECK(hw_write_atomic(fd, HW_SNAPSHOT, file.data, n, 0) == 0);
                CHECK(hw_snapshot_load(fd, HW_SNAPSHOT, &back) == -EBADMSG);
        }
        for (size_t n = 16; n < file.len; n += 5) {
                file.data[n] ^= 1;
                CHECK(hw_write_atomic(fd, HW_SNAPSHOT, file.data, file.len, 0) == 0);
                CHECK(hw_snapshot_load(fd, HW_SNAPSHOT, &back) == -EBADMSG);
                file.data[n] ^= 1;
        }
        (void)hw_table_free(t);
        hw_buffer_free(&file);
        finish_temporary(fd, path, HW_SNAPSHOT);
}

static void memory_comes_back_as_it_was(void) {
        struct hw_memory m = { .highest = { 1, 2, 3 }, .rejected_digest = "dead", .hold = HW_HOLD_FELL_BACK,
                               .confirm = HW_CONFIRM_WAITING, .confirm_since = 5, .evidence = true, .seen_at = 9, .ended_at = 8,
                               .table = 0xfedcba98u, .rejected_effect = 0xfedcba9876543210u,
                               .ordered = { true, HW_MODE_OFF, 78, "fleet" },
                               .suspension = { true, HW_MODE_AUDIT, HW_BY_CONSOLE, 77, "because" } };
        struct hw_memory back;
        char path[64];
        int fd = temporary(path);

        CHECK(hw_memory_load(fd, &back) == -ENOENT);
        CHECK(hw_memory_save(fd, &m) == 0 && hw_memory_load(fd, &back) == 0);
        CHECK(hw_assignment_version_compare(&m.highest, &back.highest) == 0 && strcmp(back.rejected_digest, "dead") == 0);
        CHECK(back.hold == m.hold && back.confirm == m.confirm && back.confirm_since == 5 && back.evidence);
        CHECK(back.suspension.active && back.suspension.mode == HW_MODE_AUDIT && back.suspension.until == 77);
        CHECK(back.suspension.by == HW_BY_CONSOLE && strcmp(back.suspension.reason, "because") == 0);
        CHECK(back.seen_at == 9 && back.ended_at == 8 && back.table == m.table);
        CHECK(back.rejected_effect == m.rejected_effect && back.ordered.set && back.ordered.mode == HW_MODE_OFF);
        CHECK(back.ordered.until == 78 && strcmp(back.ordered.reason, "fleet") == 0);
        m.ended_at = 0;
        CHECK(hw_memory_save(fd, &m) == 0 && hw_memory_load(fd, &back) == 0 && back.ended_at == 0);
        CHECK(hw_write_atomic(fd, HW_MEMORY, "HWD1", 4, 0) == 0);
        CHECK(hw_memory_load(fd, &back) == -EBADMSG && !back.suspension.active && back.highest.epoch == 0);
        finish_temporary(fd, path, HW_MEMORY);
}

static void a_clock_set_back_extends_no_suspension(void) {
        struct hw_memory m = { .suspension = { .active = true, .by = HW_BY_CONTROL_PLANE, .until = 100 }, .seen_at = 100 };

        CHECK(hw_suspension_over(&m, 50));
        m.seen_at = 99;
        CHECK(!hw_suspension_over(&m, 50) && hw_suspension_over(&m, 100));
        m.suspension.active = false;
        CHECK(!hw_suspension_over(&m, 1000));
}

static void what_is_held_is_open_whatever_is_suspended(void) {
        struct hw_memory m = { .suspension = { .active = true, .mode = HW_MODE_AUDIT } };

        CHECK(hw_memory_mode(&m) == HW_MODE_AUDIT);
        m.hold = HW_HOLD_UNLOADED;
        CHECK(hw_memory_mode(&m) == HW_MODE_OFF);
        m = (struct hw_memory){ 0 };
        CHECK(hw_memory_mode(&m) == HW_MODE_ENFORCE);
}

static void labels_match_by_whole_components(void) {
        CHECK(hw_label_has("hostward (enforce)", "hostward"));
        CHECK(hw_label_has("/usr/sbin/mysqld//&hostward (enforce)", "hostward"));
        CHECK(hw_label_has("hostward//&unconfined (mixed)", "unconfined"));
        CHECK(!hw_label_has("hostward-sensor (unconfined)", "hostward"));
        CHECK(!hw_label_has("xhostward//&y", "hostward"));
        CHECK(!hw_label_has("unconfined", "hostward"));
        CHECK(hw_label_has("hostward-src-1//&hostward", "hostward-src-1"));
}

static void a_stack_may_keep_older_rules_and_one_profile_does_not(void) {
        CHECK(hw_label_may_be_stale("hostward//&reader (enforce)"));
        CHECK(hw_label_may_be_stale("hostward//&hostward-src-0123456789abcdef (enforce)"));
        CHECK(!hw_label_may_be_stale("hostward (enforce)"));
        CHECK(!hw_label_may_be_stale("hostward//&hostward-sensor (mixed)"));
}

int main(void) {
        TEST(assignment_versions_compare_by_epoch_then_generation_then_time);
        TEST(a_table_may_hold_profiles_of_ours_only);
        TEST(digests_and_probes_are_checked);
        TEST(drop_ins_can_name_a_profile_and_nothing_else);
        TEST(binary_policy_is_walked_and_never_beyond_its_end);
        TEST(a_snapshot_cut_or_changed_anywhere_is_not_loaded);
        TEST(memory_comes_back_as_it_was);
        TEST(a_clock_set_back_extends_no_suspension);
        TEST(what_is_held_is_open_whatever_is_suspended);
        TEST(labels_match_by_whole_components);
        TEST(a_stack_may_keep_older_rules_and_one_profile_does_not);
        return 0;
}
