/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bindings-search.h"
#include "bindings.h"
#include "table-cases.h"

/* Which files with several names are found by the rules of the test vectors (vectors.ts), in a tree of their own. */

#define FOUND_MAX 64

static char root[64];
static char found[FOUND_MAX][256];
static size_t n_found;

static char *in_root(const char *path) {
        static char whole[2][512];
        static int turn;

        turn = !turn;
        (void)snprintf(whole[turn], sizeof whole[0], "%s%s", root, path);
        return whole[turn];
}

static void make_file(const char *path) {
        char *whole = in_root(path);

        for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                (void)mkdir(whole, 0700);
                *slash = '/';
        }
        CHECK(close(open(whole, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
}

static void make_linked(const char *path) {
        static int number;
        char other[64];

        make_file(path);
        (void)snprintf(other, sizeof other, "/elsewhere/%d", number++);
        CHECK(link(in_root(path), in_root(other)) == 0);
}

static void on_file(int fd, const char *path, const struct hw_tbl_walk *walk, void *userdata) {
        const struct hw_slice *table = userdata;
        struct hw_tbl_walk again;
        struct stat st;

        CHECK(n_found < FOUND_MAX);
        CHECK(fstat(fd, &st) == 0 && st.st_nlink > 1);
        CHECK(hw_bindings_walk(*table, path, &again));
        CHECK(walk->n == again.n && memcmp(walk->state, again.state, sizeof again.state) == 0);
        (void)snprintf(found[n_found++], sizeof found[0], "%s", path);
}

static bool has(const char *path) {
        for (size_t i = 0; i < n_found; i++)
                if (strcmp(found[i], path) == 0)
                        return true;
        return false;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void look_by(const uint8_t *bytes, size_t used) {
        static const char *const wanted[] = {
                "/etc/shadow",          /* exact */
                "/etc/passwd",          /* by a rule of one program alone */
                "/srv/a/b",             /* in a directory */
                "/srv/public/x",        /* allowed, and watched */
                "/home/u/.ssh/id_rsa",  /* by a pattern below a named place */
                "/x/from/y/to",         /* by one that looks everywhere */
                "/deep/down/nc",
        };
        uint8_t *table = padded(bytes, used);
        struct hw_slice slice = { table, TABLE_SIZE };
        struct hw_bindings_search result;

        n_found = 0;
        CHECK(hw_bindings_search(root, slice, on_file, &slice, &result) == 0);
        CHECK(!result.partial && result.entries > 0);
        for (size_t i = 0; i < COUNT(wanted); i++) {
                if (!has(wanted[i]))
                        fprintf(stderr, "not found: %s\n", wanted[i]);
                CHECK(has(wanted[i]));
        }
        for (size_t i = 0; n_found != COUNT(wanted) && i < n_found; i++)
                fprintf(stderr, "found: %s\n", found[i]);
        CHECK(n_found == COUNT(wanted)); /* none by a symbolic link, with one name, or of which no rule speaks */
        free(table);
}

static void files_with_several_names_are_found_where_a_rule_speaks(void) {
        look_by(table_whole, sizeof table_whole);
        look_by(table_split, sizeof table_split);
}

/* As RestrictSUIDSGID= of systemd does it. */
static void take_openat2_away(void) {
        struct sock_filter lines[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = { COUNT(lines), lines };

        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void what_keeps_it_from_looking_is_told(void) {
        uint8_t *table = padded(table_whole, sizeof table_whole);
        struct hw_slice slice = { table, TABLE_SIZE };
        struct hw_bindings_search result;
        const pid_t child = fork();
        int status;

        CHECK(child >= 0);
        if (child == 0) {
                take_openat2_away();
                CHECK(hw_bindings_search(root, slice, on_file, &slice, &result) == 0);
                CHECK(result.error == -ENOSYS);
                _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(hw_bindings_search(root, slice, on_file, &slice, &result) == 0 && result.error == 0);
        free(table);
}

static void a_path_of_which_no_rule_speaks_is_not_bound(void) {
        uint8_t *table = padded(table_whole, sizeof table_whole);
        struct hw_tbl_walk walk;

        CHECK(hw_bindings_walk((struct hw_slice){ table, TABLE_SIZE }, "/etc/shadow", &walk));
        CHECK(!hw_bindings_walk((struct hw_slice){ table, TABLE_SIZE }, "/opt/x", &walk));
        free(table);
}

static void a_table_that_lies_about_its_sections_is_refused(void) {
        uint8_t *table = padded(table_whole, sizeof table_whole);
        struct hw_slice slice = { table, TABLE_SIZE };
        struct hw_bindings_search result;

        memset(table + HW_TBL_OFF_EXCEPTIONS, 0xff, 4);
        CHECK(hw_bindings_search(root, slice, on_file, &slice, &result) == -EBADMSG);
        free(table);
}

int main(void) {
        strcpy(root, "/tmp/hostward-bindings-XXXXXX");
        CHECK(mkdtemp(root));
        make_file("/elsewhere/begin");
        for (const char *const *path = (const char *const[]){ "/etc/shadow", "/etc/passwd", "/srv/a/b", "/srv/public/x",
                                                              "/home/u/.ssh/id_rsa", "/x/from/y/to", "/deep/down/nc",
                                                              "/opt/x", "/home/u/.ssh/known_hosts", NULL };
             *path; path++)
                make_linked(*path);
        make_file("/srv/alone");
        CHECK(symlink("/etc/shadow", in_root("/srv/link")) == 0);
        TEST(files_with_several_names_are_found_where_a_rule_speaks);
        TEST(what_keeps_it_from_looking_is_told);
        TEST(a_path_of_which_no_rule_speaks_is_not_bound);
        TEST(a_table_that_lies_about_its_sections_is_refused);
        CHECK(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
        return 0;
}
