/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bindings.h"
#include "clean.h"
#include "clock.h"
#include "log.h"

/* First what is below the places that rules name, then what patterns such as `/(two stars)/id_rsa` look for everywhere. */
#define NAMED_MS 1000
#define EVERYWHERE_MS 400
#define DEPTH_MAX 128
#define ENTRIES_A_LOOK 256 /* at the clock */

#define XFS_MAGIC 0x58465342
#define ZFS_MAGIC 0x2fc12fc1
#define BCACHEFS_MAGIC 0xca451a4e
#define UBIFS_MAGIC 0x24051905
#define JFS_MAGIC 0x3153464a

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
        char path[4096];
        size_t len;
};

/* Of those on which a file may have several names. */
static bool is_local(int fd) {
        static const unsigned long local[] = { EXT4_SUPER_MAGIC,  XFS_MAGIC,       BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
                                               TMPFS_MAGIC,       RAMFS_MAGIC,     OVERLAYFS_SUPER_MAGIC, ZFS_MAGIC,
                                               BCACHEFS_MAGIC,    UBIFS_MAGIC,     JFS_MAGIC,
                                               REISERFS_SUPER_MAGIC, NILFS_SUPER_MAGIC };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return false;
        for (size_t i = 0; i < HW_LEN(local); i++)
                if ((unsigned long)(uint32_t)fs.f_type == local[i])
                        return true;
        return false;
}

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

static void search_directory(struct search *s, int fd, const struct hw_tbl_walk *walk, dev_t dev, unsigned int depth);

/* Only looked at before it is opened, so that no filesystem is mounted by that. */
static void enter(struct search *s, int parent, const char *name, const struct hw_tbl_walk *walk, dev_t dev,
                  unsigned int depth) {
        _cleanup_close_ int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) || (st.st_dev != dev && !is_local(fd)))
                return;
        search_directory(s, openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), walk, st.st_dev, depth + 1);
}

static void look_at(struct search *s, int fd, const char *name, unsigned char type, struct hw_tbl_walk *walk, dev_t dev,
                    unsigned int depth) {
        struct stat st = { 0 };
        const bool told = type != DT_UNKNOWN;

        if (!told && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return;
        if (told ? type == DT_DIR : S_ISDIR(st.st_mode)) {
                step(s, walk, "/");
                if (is_alive(s, walk) && depth < DEPTH_MAX) {
                        s->path[s->len++] = '/';
                        enter(s, fd, name, walk, dev, depth);
                }
                return;
        }
        if (type == DT_LNK || !walk_speaks(s, walk))
                return;
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 && st.st_nlink > 1 &&
            !S_ISLNK(st.st_mode) && !S_ISDIR(st.st_mode))
                s->handler(fd, name, s->path, walk, s->userdata);
}

/* Takes the descriptor over. */
static void search_directory(struct search *s, int fd, const struct hw_tbl_walk *walk, dev_t dev, unsigned int depth) {
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
                look_at(s, dirfd(dir), entry->d_name, entry->d_type, &next, dev, depth);
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
        struct stat st;
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
        if (fd < 0 || fstat(fd, &st) < 0) {
                hw_warn("files with several names cannot be looked for error=%m");
                hw_close(&fd);
                return;
        }
        search_directory(s, fd, &walk, st.st_dev, 0);
}

int hw_bindings_search(const char *root, struct hw_slice table, hw_bindings_handler handler, void *userdata,
                       struct hw_bindings_search *ret) {
        _cleanup_free_ uint8_t *speaks = NULL;
        struct search s = { .blob = { table.data, (uint32_t)table.len }, .root = root, .handler = handler, .userdata = userdata,
                            .result = ret };
        uint32_t automata, wide;

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
        search_for(&s, automata & ~wide, NAMED_MS);
        search_for(&s, wide, EVERYWHERE_MS);
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
