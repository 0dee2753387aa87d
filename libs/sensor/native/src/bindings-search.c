/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "bindings-search.h"
#include "clean.h"
#include "clock.h"
#include "log.h"
#include "mount-list.h"

/* First what is below the places that rules name, then what patterns such as `/(two stars)/id_rsa` look for everywhere. */
#define NAMED_MS 1000
#define EVERYWHERE_MS 400
#define DEPTH_MAX 128
#define ENTRIES_A_LOOK 256 /* at the clock */

struct search {
        struct hw_tbl_blob blob;
        const char *root;
        uint32_t followed; /* mask of automata */
        uint8_t *speaks; /* by class: 0 unknown, 1 no, 2 yes */
        uint32_t classes, n_classes; /* offset of the first one */
        uint64_t deadline;
        uint32_t entries;
        hw_bindings_handler handler;
        void *userdata;
        struct hw_bindings_search *result;
        struct hw_mount_list mounts;
        char path[4096];
        size_t len;
};

/* Whether a row refuses or watches anything. */
static bool row_speaks(const struct hw_tbl_blob *blob, uint32_t row) {
        for (uint32_t column = 0; column < 2 * (HW_TBL_EXEC + 1); column++) {
                const uint32_t cell = HW_TBL_LOAD32(blob, row + 4 * column);
                const uint64_t decision = HW_TBL_LOAD64(blob, cell);

                if ((decision & HW_TBL_DECISION_DENY) || HW_TBL_LOAD32(blob, cell + 8))
                        return true;
        }
        return false;
}

static bool class_speaks(const struct hw_tbl_blob *blob, uint32_t record) {
        const uint32_t subjects = HW_TBL_LOAD32(blob, HW_TBL_OFF_N_SUBJECTS);
        const uint32_t exceptions = HW_TBL_LOAD32(blob, record + 4);

        if (row_speaks(blob, HW_TBL_LOAD32(blob, record)))
                return true;
        for (uint32_t i = 1; i < subjects; i++) {
                const uint32_t at = exceptions + HW_TBL_EXCEPTION_BYTES * i;

                if (HW_TBL_LOAD32(blob, at) == record && row_speaks(blob, HW_TBL_LOAD32(blob, at + 4)))
                        return true;
        }
        return false;
}

/* Whether a rule of the automata that are followed may refuse or watch something at the end of the walk. */
static bool walk_speaks(struct search *s, const struct hw_tbl_walk *walk) {
        for (uint32_t i = 0; i < walk->n; i++) {
                const uint32_t record = walk->state[i] ? HW_TBL_LOAD32(&s->blob, walk->state[i]) & HW_TBL_CLASS_MASK : 0;
                const uint32_t number = (record - s->classes) / HW_TBL_CLASS_BYTES;

                if (!(s->followed & 1u << i) || record == 0 || number >= s->n_classes)
                        continue;
                if (s->speaks[number] == 0)
                        s->speaks[number] = class_speaks(&s->blob, record) ? 2 : 1;
                if (s->speaks[number] == 2)
                        return true;
        }
        return false;
}

static bool is_alive(const struct search *s, const struct hw_tbl_walk *walk) {
        for (uint32_t i = 0; i < walk->n; i++)
                if (walk->state[i] != 0 && (s->followed & 1u << i))
                        return true;
        return false;
}

static void step(const struct search *s, struct hw_tbl_walk *walk, const char *text) {
        for (; *text; text++)
                hw_tbl_step(&s->blob, walk, (uint8_t)*text);
}

/* Whether the time is up: says once where that was. */
static bool is_over(struct search *s) {
        if (++s->entries % ENTRIES_A_LOOK != 0 || hw_now_ms() < s->deadline)
                return s->result->partial;
        s->result->partial = true;
        (void)snprintf(s->result->stopped_at, sizeof s->result->stopped_at, "%.*s", (int)s->len, s->path);
        return true;
}

/* Whether a filesystem that may be searched is mounted on where the search is. */
static bool is_local_mount(const struct search *s) {
        char place[2 * sizeof s->path];

        (void)snprintf(place, sizeof place, "%s%s", strcmp(s->root, "/") == 0 ? "" : s->root, s->path);
        return hw_mount_list_is_local(&s->mounts, place);
}

/*
 * A descriptor that is good for looking only, so that no filesystem is mounted by that. What is mounted on the name is
 * not even looked at before the kernel's list of mounts has told its type: whoever asks a filesystem of a server that is
 * gone waits for ever, and with the search the daemon.
 */
static int look(struct search *s, int parent, const char *name) {
        const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV };
        int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof how);

        if (fd < 0 && errno == EXDEV) {
                if (!is_local_mount(s))
                        return -EXDEV;
                fd = openat(parent, name, (int)how.flags);
        }
        if (fd < 0 && errno != ENOENT && s->result->error == 0)
                s->result->error = -errno;
        return fd;
}

/* A snapshot of btrfs shows a file once more, under the same numbers, and no link is counted. */
static bool may_have_names(int fd, const struct stat *st) {
        struct statfs fs;

        return st->st_nlink > 1 || (fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC);
}

static void search_directory(struct search *s, int fd, const struct hw_tbl_walk *walk, unsigned int depth);

static void look_at(struct search *s, int parent, const char *name, unsigned char type, const struct hw_tbl_walk *walk,
                    unsigned int depth) {
        const bool may_bind = type != DT_DIR && type != DT_LNK && walk_speaks(s, walk);
        bool may_enter = (type == DT_DIR || type == DT_UNKNOWN) && depth < DEPTH_MAX;
        struct hw_tbl_walk below = *walk;
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (may_enter) {
                step(s, &below, "/");
                may_enter = is_alive(s, &below);
        }
        if (!may_bind && !may_enter)
                return;
        fd = look(s, parent, name);
        if (fd < 0 || fstat(fd, &st) < 0)
                return;
        if (S_ISDIR(st.st_mode) && may_enter) {
                s->path[s->len++] = '/';
                search_directory(s, openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), &below, depth + 1);
        } else if (may_bind && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode) && may_have_names(fd, &st))
                s->handler(fd, s->path, walk, s->userdata);
}

/* Takes the descriptor over. */
static void search_directory(struct search *s, int fd, const struct hw_tbl_walk *walk, unsigned int depth) {
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const size_t len = s->len;
        struct dirent *entry;

        if (!dir) {
                if (fd >= 0)
                        (void)close(fd);
                return;
        }
        while (!is_over(s) && (entry = readdir(dir))) {
                struct hw_tbl_walk next = *walk;
                const size_t name_len = strlen(entry->d_name);

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    len + name_len + 2 > sizeof s->path)
                        continue;
                step(s, &next, entry->d_name);
                if (!is_alive(s, &next))
                        continue;
                memcpy(s->path + len, entry->d_name, name_len + 1);
                s->len = len + name_len;
                look_at(s, dirfd(dir), entry->d_name, entry->d_type, &next, depth);
                s->len = len;
                s->path[len] = 0;
        }
}

static uint32_t file_automata(const struct hw_tbl_blob *blob) {
        const uint32_t n = HW_MIN(HW_TBL_LOAD32(blob, HW_TBL_OFF_N_AUTOMATA), HW_TBL_AUTOMATA_MAX);
        uint32_t mask = 0;

        for (uint32_t i = 0; i < n; i++)
                if (HW_TBL_LOAD32(blob, HW_TBL_OFF_OPERATIONS + 4 * i) & HW_TBL_ALL_PATH_OPERATIONS)
                        mask |= 1u << i;
        return mask;
}

/* Those that go on in a directory that nobody has named. */
static uint32_t everywhere(const struct search *s) {
        struct hw_tbl_walk walk;
        uint32_t mask = 0;

        hw_tbl_start(&s->blob, &walk);
        step(s, &walk, "/\1\1/");
        for (uint32_t i = 0; i < walk.n; i++)
                if (walk.state[i] != 0)
                        mask |= 1u << i;
        return mask;
}

static void search_for(struct search *s, uint32_t automata, uint64_t time_ms) {
        struct hw_tbl_walk walk;
        int fd;

        s->followed = automata;
        s->deadline = hw_now_ms() + time_ms;
        hw_tbl_start(&s->blob, &walk);
        step(s, &walk, "/");
        if (!is_alive(s, &walk) || s->result->partial)
                return;
        s->path[0] = '/';
        s->path[1] = 0;
        s->len = 1;
        fd = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                hw_warn("files with several names cannot be looked for error=%m");
        else
                search_directory(s, fd, &walk, 0);
}

int hw_bindings_search(const char *root, struct hw_slice table, hw_bindings_handler handler, void *userdata,
                       struct hw_bindings_search *ret) {
        _cleanup_free_ uint8_t *speaks = NULL;
        struct search s = { .blob = { table.data, (uint32_t)table.len }, .root = root, .handler = handler, .userdata = userdata,
                            .result = ret };
        uint32_t automata, wide;
        int r;

        *ret = (struct hw_bindings_search){ 0 };
        s.classes = HW_TBL_LOAD32(&s.blob, HW_TBL_OFF_CLASSES);
        s.n_classes = (HW_TBL_LOAD32(&s.blob, HW_TBL_OFF_EXCEPTIONS) - s.classes) / HW_TBL_CLASS_BYTES;
        if (s.n_classes > table.len)
                return -EBADMSG;
        s.speaks = speaks = calloc(s.n_classes + 1, 1);
        if (!speaks)
                return -ENOMEM;
        automata = file_automata(&s.blob);
        wide = automata & everywhere(&s);
        r = hw_mount_list_read(&s.mounts);
        if (r < 0)
                hw_warn("files with several names are looked for on the first filesystem alone error=%s", strerror(-r));
        search_for(&s, automata & ~wide, NAMED_MS);
        search_for(&s, wide, EVERYWHERE_MS);
        hw_mount_list_free(&s.mounts);
        ret->entries = s.entries;
        return 0;
}

bool hw_bindings_walk(struct hw_slice table, const char *path, struct hw_tbl_walk *ret) {
        struct search s = { .blob = { table.data, (uint32_t)table.len } };

        hw_tbl_start(&s.blob, ret);
        step(&s, ret, path);
        for (uint32_t i = 0; i < ret->n; i++) {
                const uint32_t record =
                        ret->state[i] ? HW_TBL_LOAD32(&s.blob, ret->state[i]) & HW_TBL_CLASS_MASK : 0;

                if (record != 0 && class_speaks(&s.blob, record))
                        return true;
        }
        return false;
}
