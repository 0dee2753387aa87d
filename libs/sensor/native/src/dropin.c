/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "clean.h"
#include "dropin.h"
#include "file.h"

#define UNIT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.@-\\"
#define LABEL_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+-/&"

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), m = strlen(end);

        return n > m && strcmp(s + n - m, end) == 0;
}

static bool line_is_sound(const char *line, size_t len, unsigned int *assignments) {
        static const char key[] = "AppArmorProfile=";
        const char *value = line + sizeof key - 1;

        if (len == 0 || line[0] == '#' || (len == 9 && memcmp(line, "[Service]", 9) == 0))
                return len == 0 || line[len - 1] != '\\';
        if (len < sizeof key || memcmp(line, key, sizeof key - 1) != 0)
                return false;
        (*assignments)++;
        return strspn(value, LABEL_CHARS) >= len - (sizeof key - 1);
}

bool hw_dropin_is_sound(const char *unit, const char *content) {
        unsigned int assignments = 0;

        if (strlen(unit) > 200 || strspn(unit, UNIT_CHARS) != strlen(unit) || unit[0] == '.' ||
            !ends_with(unit, ".service"))
                return false;
        if (strlen(content) > 4096)
                return false;
        while (*content) {
                size_t len = strcspn(content, "\n");

                if (memchr(content, '\r', len) || !line_is_sound(content, len, &assignments))
                        return false;
                content += len + (content[len] == '\n');
        }
        return assignments == 1;
}

static int open_folder(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 ? -errno : fd;
}

/* For all to read, whatever our umask is, as systemd's own are: the compiler must see what an administrator puts there. */
static int make_folder(int dirfd, const char *name) {
        int fd = mkdirat(dirfd, name, 0755) < 0 ? -errno : open_folder(dirfd, name);

        if (fd >= 0)
                (void)fchmod(fd, 0755);
        return fd;
}

/* 0 where it is as it should be; 1 and how it was not, where it was written. */
static int write_one(int dirfd, const struct hw_dropin *dropin, const char **ret_what) {
        _cleanup_buffer_ struct hw_buffer old = { 0 };
        _cleanup_close_ int unit_fd = -1;
        char folder[256];
        int r;

        r = snprintf(folder, sizeof folder, "%s.d", dropin->unit);
        if (r < 0 || (size_t)r >= sizeof folder)
                return -ENAMETOOLONG;
        unit_fd = open_folder(dirfd, folder);
        if (unit_fd == -ENOENT)
                unit_fd = make_folder(dirfd, folder);
        if (unit_fd < 0)
                return unit_fd;
        r = hw_read_file(unit_fd, HW_DROPIN_FILE, 65536, &old);
        if (r == 0 && hw_slice_is((struct hw_slice){ old.data, old.len }, dropin->content))
                return 0;
        *ret_what = r == -ENOENT ? "was removed" : "was changed";
        r = hw_write_atomic(unit_fd, HW_DROPIN_FILE, dropin->content, strlen(dropin->content), 0644);
        return r < 0 ? r : 1;
}

static bool holds_in(const struct hw_dropin *dropin, enum hw_mode mode) {
        return mode == HW_MODE_ENFORCE || !strstr(dropin->content, "AppArmorProfile=hostward-blocked");
}

static bool wanted(const struct hw_table *t, enum hw_mode mode, const char *folder) {
        size_t len = strlen(folder) - 2;

        for (size_t i = 0; i < t->n_dropins; i++)
                if (holds_in(&t->dropins[i], mode) && strlen(t->dropins[i].unit) == len && memcmp(t->dropins[i].unit, folder, len) == 0)
                        return true;
        return false;
}

static void remove_unwanted(DIR *dir, const struct hw_table *t, enum hw_mode mode, hw_dropin_told *tell,
                            void *userdata) {
        struct dirent *entry;

        while ((entry = readdir(dir))) {
                _cleanup_close_ int fd = -1;

                if (!ends_with(entry->d_name, ".service.d") || wanted(t, mode, entry->d_name))
                        continue;
                fd = open_folder(dirfd(dir), entry->d_name);
                if (fd < 0 || unlinkat(fd, HW_DROPIN_FILE, 0) < 0)
                        continue;
                (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR); /* only if nothing else is in it */
                entry->d_name[strlen(entry->d_name) - 2] = 0;
                tell(entry->d_name, "was put there", userdata);
        }
}

int hw_dropins_write(const char *path, const struct hw_table *t, enum hw_mode mode, hw_dropin_told *tell,
                     void *userdata, const char **ret_failed) {
        _cleanup_closedir_ DIR *dir = opendir(path);
        int failed = 0;

        if (!dir)
                return errno == ENOENT && t->n_dropins == 0 ? 0 : -errno;
        remove_unwanted(dir, t, mode, tell, userdata);
        for (size_t i = 0; i < t->n_dropins; i++) {
                const char *what;
                int r = holds_in(&t->dropins[i], mode) ? write_one(dirfd(dir), &t->dropins[i], &what) : 0;

                if (r > 0)
                        tell(t->dropins[i].unit, what, userdata);
                if (r < 0) {
                        *ret_failed = t->dropins[i].unit;
                        failed = r;
                }
        }
        return failed;
}
