/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bindings-search.h"
#include "bindings.h"
#include "clock.h"
#include "dead-mount.h"
#include "table-cases.h"

/* The search for files with several names where filesystems are mounted that do not answer: needs root and /dev/fuse. */

#define PATIENCE_MS 10000
#define FOUND_MAX 16

static char root[64];

static const char *in_root(const char *path) {
        static char whole[2][512];
        static int turn;

        turn = !turn;
        (void)snprintf(whole[turn], sizeof whole[0], "%s%s", root, path);
        return whole[turn];
}

static void make_place(const char *path) {
        CHECK(mkdir(in_root(path), 0700) == 0);
}

/* A file of two names: `first` there and `second` there. */
static void make_linked(const char *place) {
        char first[128], second[128];

        (void)snprintf(first, sizeof first, "%s/first", in_root(place));
        (void)snprintf(second, sizeof second, "%s/second", in_root(place));
        CHECK(close(open(first, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
        CHECK(link(first, second) == 0);
}

static void mount_there(const char *place, const char *source, const char *type, unsigned long flags) {
        CHECK(mount(source, in_root(place), type, flags, NULL) == 0);
}

static void die(const char *place, mode_t mode) {
        CHECK(dead_mount(in_root(place), mode) == 0);
}

struct found {
        char path[FOUND_MAX][64];
        size_t n;
};

static void on_file(int fd, const char *path, const struct hw_tbl_walk *walk, void *userdata) {
        struct found *found = userdata;

        (void)fd, (void)walk;
        if (found->n < FOUND_MAX)
                (void)snprintf(found->path[found->n++], sizeof found->path[0], "%s", path);
}

static _Noreturn void search(int out) {
        static struct found found;
        uint8_t *table = padded(table_whole, sizeof table_whole);
        struct hw_bindings_search result;

        CHECK(hw_bindings_search(root, (struct hw_slice){ table, TABLE_SIZE }, on_file, &found, &result) == 0);
        CHECK(!result.partial && write(out, &found, sizeof found) == sizeof found);
        free(table);
        _exit(0);
}

/* In a process of its own, which the kernel holds past a kill where the search asks such a filesystem anything. */
static void find(struct found *ret) {
        const uint64_t until = hw_now_ms() + PATIENCE_MS;
        int result[2], status = -1;
        pid_t pid, ended = 0;

        CHECK(pipe2(result, O_CLOEXEC) == 0);
        pid = fork();
        if (pid == 0)
                search(result[1]);
        CHECK(pid > 0);
        while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && hw_now_ms() < until)
                (void)usleep(10000);
        CHECK(ended == pid); /* else it hangs */
        CHECK(status == 0 && read(result[0], ret, sizeof *ret) == sizeof *ret);
        (void)close(result[0]);
        (void)close(result[1]);
}

static void the_search_goes_past_mounts_that_do_not_answer_and_into_local_ones(void) {
        static const char *const wanted[] = { "/srv/plain/first",    "/srv/plain/second",    "/srv/bound/first",
                                              "/srv/bound/second",   "/srv/other mem/first", "/srv/other mem/second",
                                              "/srv/covered/first",  "/srv/covered/second",  "/srv/file" };
        static struct found found;

        find(&found);
        for (size_t i = 0; i < found.n; i++) {
                bool is_wanted = false;

                for (size_t at = 0; at < COUNT(wanted); at++)
                        is_wanted = is_wanted || strcmp(found.path[i], wanted[at]) == 0;
                if (!is_wanted)
                        fprintf(stderr, "found: %s\n", found.path[i]);
                CHECK(is_wanted);
        }
        CHECK(found.n == COUNT(wanted));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void prepare(void) {
        strcpy(root, "/tmp/hostward-dead-mount-XXXXXX");
        CHECK(mkdtemp(root) && private_mounts() == 0);
        for (const char *const *place = (const char *const[]){ "/srv", "/srv/plain", "/srv/bound", "/srv/other mem",
                                                               "/srv/dead", "/srv/covered", "/srv/covering", NULL };
             *place; place++)
                make_place(*place);
        make_linked("/srv/plain");
        mount_there("/srv/bound", in_root("/srv/plain"), NULL, MS_BIND);
        mount_there("/srv/other mem", "none", "tmpfs", 0);
        make_linked("/srv/other mem");
        die("/srv/dead", S_IFDIR);
        die("/srv/covered", S_IFDIR);
        mount_there("/srv/covered", "none", "tmpfs", 0);
        make_linked("/srv/covered");
        mount_there("/srv/covering", "none", "tmpfs", 0);
        make_linked("/srv/covering");
        die("/srv/covering", S_IFDIR);
        CHECK(close(open(in_root("/srv/file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
        mount_there("/srv/file", in_root("/srv/plain/first"), NULL, MS_BIND);
        CHECK(close(open(in_root("/srv/dead-file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
        die("/srv/dead-file", S_IFREG);
}

static void clean(void) {
        for (const char *const *place = (const char *const[]){ "/srv/bound", "/srv/other mem", "/srv/dead", "/srv/covered",
                                                               "/srv/covered", "/srv/covering", "/srv/covering",
                                                               "/srv/file", "/srv/dead-file", NULL };
             *place; place++)
                CHECK(umount2(in_root(*place), MNT_DETACH) == 0);
        CHECK(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

int main(void) {
        prepare();
        TEST(the_search_goes_past_mounts_that_do_not_answer_and_into_local_ones);
        clean();
        return 0;
}
