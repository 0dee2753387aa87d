/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf-held.h"
#include "bpf-open-files.h"
#include "check.h"
#include "clean.h"
#include "clock.h"

/* What is made of what the iterators over open files write. */

static struct hw_held held;

static void put(int fd, uint32_t pid, const char *path, bool listed) {
        struct {
                struct hw_open_file head;
                char path[HW_OPEN_FILE_PATH];
        } record = { .head = { .tgid = pid, .path_len = (uint32_t)strlen(path), .listed = listed, .comm = "holder" } };
        const size_t len = sizeof record.head + record.head.path_len;

        memcpy(record.path, path, record.head.path_len);
        CHECK(write(fd, &record, len) == (ssize_t)len);
}

static int file_of_records(void) {
        const int fd = memfd_create("records", MFD_CLOEXEC);

        CHECK(fd >= 0);
        return fd;
}

/* Takes the descriptor over. */
static int look(int fd) {
        _cleanup_close_ int records = fd;
        int r;

        held = (struct hw_held){ 0 };
        CHECK(lseek(records, 0, SEEK_SET) == 0);
        r = hw_bpf_read_open_files(records, 60000, hw_held_add, &held);
        return hw_held_sort(&held) < 0 ? -ENOMEM : r;
}

static const struct hw_holder *holder(pid_t pid) {
        for (size_t i = 0; i < hw_held_processes(&held); i++)
                if (hw_held_holder(&held, i)->pid == pid)
                        return hw_held_holder(&held, i);
        return NULL;
}

static void a_process_with_a_hundred_thousand_descriptors_hides_no_other(void) {
        const int fd = file_of_records();
        char path[64];

        for (uint32_t i = 0; i < 120000; i++) {
                (void)snprintf(path, sizeof path, "/srv/secret/some-file-with-a-longer-name-%u", i);
                put(fd, 100, path, false);
        }
        put(fd, 200, "/srv/secret/a", false);
        CHECK(look(fd) == 0);
        CHECK(hw_held_processes(&held) == 2 && holder(100)->by_rule && holder(200)->by_rule);
        CHECK(held.n == HW_HELD_A_PROCESS + 1 && held.more == 120000 - HW_HELD_A_PROCESS);
        CHECK(strcmp(hw_held_path(&held, 200), "/srv/secret/a") == 0 && strcmp(holder(200)->comm, "holder") == 0);
        hw_held_free(&held);
}

static void nor_do_many_processes(void) {
        const int fd = file_of_records();

        for (uint32_t pid = 1000; pid < 3000; pid++)
                put(fd, pid, "/srv/secret/a", false);
        CHECK(look(fd) == 0);
        CHECK(hw_held_processes(&held) == 2000 && held.n == HW_HELD_MAX && holder(2999)->by_rule);
        CHECK(hw_held_path(&held, 2999)[0] == 0);
        hw_held_free(&held);
}

static void what_a_rule_refuses_counts_beside_what_a_list_does_not_allow(void) {
        const int fd = file_of_records();

        put(fd, 300, "/srv/unlisted", true);
        put(fd, 300, "/srv/secret/a", false);
        put(fd, 300, "/srv/secret/a", false);
        put(fd, 400, "/srv/unlisted", true);
        put(fd, 300, "/srv/unlisted/mapped", true);
        CHECK(look(fd) == 0);
        CHECK(hw_held_processes(&held) == 2 && holder(300)->by_rule && !holder(400)->by_rule);
        CHECK(held.n == 4 && held.more == 0);
        hw_held_free(&held);
}

static void what_came_before_an_error_is_kept(void) {
        const int fd = file_of_records();
        const struct hw_open_file wrong = { .tgid = 600, .path_len = 70000 };

        put(fd, 500, "/srv/secret/a", false);
        CHECK(write(fd, &wrong, sizeof wrong) == sizeof wrong);
        CHECK(look(fd) == -EBADMSG && hw_held_processes(&held) == 1 && holder(500));
        hw_held_free(&held);
}

static void half_a_record_at_the_end_is_an_error(void) {
        const int fd = file_of_records();

        put(fd, 500, "/srv/secret/a", false);
        CHECK(write(fd, "half", 4) == 4);
        CHECK(look(fd) == -EBADMSG && holder(500));
        hw_held_free(&held);
}

/* As the kernel does that has looked at a million descriptors and found nothing to tell: it says so, again and again. */
static void a_walk_without_an_end_is_left_when_its_time_is_up(void) {
        const uint64_t began = hw_now_ms();
        int ends[2];

        CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        put(ends[1], 700, "/srv/secret/a", false);
        held = (struct hw_held){ 0 };
        CHECK(hw_bpf_read_open_files(ends[0], 50, hw_held_add, &held) == -ETIME);
        CHECK(hw_now_ms() - began >= 50 && hw_held_sort(&held) == 0 && holder(700));
        hw_held_free(&held);
        CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

int main(void) {
        TEST(a_process_with_a_hundred_thousand_descriptors_hides_no_other);
        TEST(nor_do_many_processes);
        TEST(what_a_rule_refuses_counts_beside_what_a_list_does_not_allow);
        TEST(what_came_before_an_error_is_kept);
        TEST(half_a_record_at_the_end_is_an_error);
        TEST(a_walk_without_an_end_is_left_when_its_time_is_up);
        return 0;
}
