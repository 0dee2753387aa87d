/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "clean.h"
#include "dead-mount.h"
#include "context.h"

/* What has a rule set compiled anew, on a host whose /run and /usr/local/lib are of this test: needs root and mounts. */

#define OWN "/run/own"

static const struct hw_options options = { .dropin_dir = OWN, .securityfs = "/nonexistent" };
static const char *const folders[] = { OWN, "/run/systemd/system", "/usr/local/lib/systemd/system" };
static const char *const generated[] = { "/run/systemd/generator.early", "/run/systemd/generator",
                                         "/run/systemd/generator.late" };

static const char *in(const char *folder, const char *name) {
        static char path[256];

        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        return path;
}

static void make_folder(const char *path) {
        char part[256];

        for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
                (void)snprintf(part, sizeof part, "%.*s", (int)(end - path), path);
                (void)mkdir(part, 0755);
        }
        CHECK(mkdir(path, 0755) == 0);
}

/* In place, so that the folder's own time stays; `at`: when the file says that this was. */
static void put(const char *folder, const char *name, const char *text, time_t at) {
        const struct timespec times[] = { { .tv_sec = at }, { .tv_sec = at } };
        _cleanup_close_ int fd = open(in(folder, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && futimens(fd, times) == 0);
}

static void a_unit_or_a_dropin_that_is_edited_in_place_counts_in_each_folder(void) {
        for (size_t i = 0; i < HW_LEN(folders); i++) {
                uint64_t before;

                put(folders[i], "a.service", "one", 1000);
                put(folders[i], "a.service.d/x.conf", "one", 1000);
                before = hw_context(&options);
                CHECK(hw_context(&options) == before);
                put(folders[i], "a.service", "two", 2000);
                CHECK(hw_context(&options) != before);
                before = hw_context(&options);
                put(folders[i], "a.service.d/x.conf", "two", 2000);
                CHECK(hw_context(&options) != before);
        }
}

static void what_we_write_into_a_unit_ourselves_does_not(void) {
        const uint64_t before = hw_context(&options);

        put(OWN, "a.service.d/50-hostward.conf", "one", 1000);
        put(OWN, "a.service.d/.50-hostward.conf.new", "one", 1000);
        CHECK(hw_context(&options) == before);
}

static void what_is_generated_counts_by_what_is_in_it(void) {
        for (size_t i = 0; i < HW_LEN(generated); i++) {
                uint64_t before;

                put(generated[i], "b.service", "one", 1000);
                put(generated[i], "b.service.d/x.conf", "one", 1000);
                before = hw_context(&options);
                CHECK(unlink(in(generated[i], "b.service")) == 0);
                put(generated[i], "b.service", "one", 2000);
                CHECK(hw_context(&options) == before); /* as after each time that systemd reads its units anew */
                put(generated[i], "b.service", "two", 2000);
                CHECK(hw_context(&options) != before);
                before = hw_context(&options);
                put(generated[i], "b.service.d/x.conf", "two", 1000);
                CHECK(hw_context(&options) != before);
        }
}

int main(void) {
        CHECK(private_mounts() == 0 && mount("none", "/run", "tmpfs", 0, NULL) == 0 &&
              mount("none", "/usr/local/lib", "tmpfs", 0, NULL) == 0);
        for (size_t i = 0; i < HW_LEN(folders); i++) {
                make_folder(folders[i]);
                make_folder(in(folders[i], "a.service.d"));
        }
        for (size_t i = 0; i < HW_LEN(generated); i++) {
                make_folder(generated[i]);
                make_folder(in(generated[i], "b.service.d"));
        }
        TEST(a_unit_or_a_dropin_that_is_edited_in_place_counts_in_each_folder);
        TEST(what_we_write_into_a_unit_ourselves_does_not);
        TEST(what_is_generated_counts_by_what_is_in_it);
        return 0;
}
