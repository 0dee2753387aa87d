/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "file.h"
#include "samples.h"
#include "trust.h"

/* What a table brings to be trusted is on disk, whole, or the table is not taken. */

static char dir[64];
static int dirfd;

static void begin(void) {
        strcpy(dir, "/tmp/hostward-trust-XXXXXX");
        CHECK(mkdtemp(dir));
        dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(dirfd >= 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void end(void) {
        CHECK(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
        (void)close(dirfd);
}

static int parse(const char *root, const char *again, const char *minimum_versions, struct hw_table **ret) {
        const struct sample sample = { .generation = 1, .digest = "11", .names = { "hostward" } };
        struct hw_buffer payload = { 0 };
        const char *why;

        sample_payload(&payload, &sample);
        if (root)
                hw_put_text(&payload, HW_TAG_ROOT, root);
        if (again)
                hw_put_text(&payload, HW_TAG_ROOT, again);
        if (minimum_versions)
                hw_put_text(&payload, HW_TAG_MINIMUM_VERSIONS, minimum_versions);
        return hw_table_parse(&payload, ret, &why);
}

static int keep(const char *root, const char *minimum_versions) {
        struct hw_table *t = NULL;
        int r;

        CHECK(parse(root, NULL, minimum_versions, &t) == 0);
        r = hw_trust_keep(dir, t);
        (void)hw_table_free(t);
        return r;
}

static bool holds(const char *name, const char *text) {
        struct hw_buffer file = { 0 };
        bool same = hw_read_file(dirfd, name, 1u << 20, &file) == 0 && file.len == strlen(text) &&
                    memcmp(file.data, text, file.len) == 0;

        hw_buffer_free(&file);
        return same;
}

static void what_is_new_is_written_and_readable_by_the_compiler(void) {
        struct stat st;

        begin();
        CHECK(keep("root 2", "minimum versions 1") == 0);
        CHECK(holds("root.json", "root 2") && holds("minimum-versions.json", "minimum versions 1"));
        CHECK(fstatat(dirfd, "root.json", &st, 0) == 0 && (st.st_mode & 0777) == 0644);
        CHECK(keep(NULL, "minimum versions 2") == 0);
        CHECK(holds("root.json", "root 2") && holds("minimum-versions.json", "minimum versions 2"));
        end();
}

static void what_is_kept_already_is_not_written_again(void) {
        struct stat before, after;

        begin();
        CHECK(keep("root", NULL) == 0 && fstatat(dirfd, "root.json", &before, 0) == 0);
        CHECK(keep("root", NULL) == 0 && fstatat(dirfd, "root.json", &after, 0) == 0);
        CHECK(before.st_ino == after.st_ino);
        end();
}

static void without_the_folder_only_a_table_that_brings_nothing_is_taken(void) {
        begin();
        end();
        CHECK(keep(NULL, NULL) == 0);
        CHECK(keep("root", NULL) < 0);
}

static void a_link_in_the_place_of_a_file_is_replaced_and_not_followed(void) {
        begin();
        CHECK(symlinkat("elsewhere", dirfd, "root.json") == 0);
        CHECK(keep("root", NULL) == 0 && holds("root.json", "root"));
        CHECK(symlinkat("elsewhere", dirfd, ".minimum-versions.json.new") == 0);
        CHECK(keep(NULL, "minimumVersions") == 0 && holds("minimum-versions.json", "minimumVersions"));
        CHECK(faccessat(dirfd, "elsewhere", F_OK, 0) < 0);
        end();
}

static void what_is_empty_too_large_or_given_twice_is_refused(void) {
        static char large[HW_ROOT_BYTES_MAX + 2];
        struct hw_table *t = NULL;

        memset(large, 'x', sizeof large - 1);
        CHECK(parse("", NULL, NULL, &t) < 0 && parse(large, NULL, NULL, &t) < 0);
        CHECK(parse(NULL, NULL, "", &t) < 0 && parse("a", "b", NULL, &t) < 0);
}

int main(void) {
        TEST(what_is_new_is_written_and_readable_by_the_compiler);
        TEST(what_is_kept_already_is_not_written_again);
        TEST(without_the_folder_only_a_table_that_brings_nothing_is_taken);
        TEST(a_link_in_the_place_of_a_file_is_replaced_and_not_followed);
        TEST(what_is_empty_too_large_or_given_twice_is_refused);
        return 0;
}
