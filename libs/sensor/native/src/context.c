/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "dropin.h"
#include "file.h"
#include "hash.h"
#include "context.h"

#define PROFILE_LIST_MAX (4u << 20)
#define GENERATED_BYTES_MAX (1u << 20)

/* By the time at which an entry came, went or was replaced. */
static const char *const looked_at[] = {
        "/etc/apparmor.d", "/etc/hostward/agent.yaml", "/etc/passwd", "/usr/sbin/apparmor_parser", "/usr/lib/hostward/compiler.mjs",
};

/* Beside the one that we write into. Mirror: apps/compiler/src/units.ts. */
static const char *const unit_folders[] = { "/run/systemd/system", "/usr/local/lib/systemd/system",
                                            "/usr/lib/systemd/system" };

/* Written anew whenever systemd reads its units, which it does for us too: by content. Mirror: as above. */
static const char *const generated_folders[] = { "/run/systemd/generator.early", "/run/systemd/generator",
                                                 "/run/systemd/generator.late" };

static uint64_t mix_foreign_profiles(uint64_t hash, const char *securityfs) {
        _cleanup_buffer_ struct hw_buffer list = { 0 };
        char path[4096];
        int n = snprintf(path, sizeof path, "%s/apparmor/profiles", securityfs);

        if (n < 0 || (size_t)n >= sizeof path || hw_read_file(AT_FDCWD, path, PROFILE_LIST_MAX, &list) < 0)
                return hash;
        for (size_t i = 0; i < list.len;) {
                const uint8_t *line = list.data + i, *end = memchr(line, '\n', list.len - i);
                size_t len = end ? (size_t)(end - line) : list.len - i;

                if (len < sizeof HW_CATCH_ALL - 1 || memcmp(line, HW_CATCH_ALL, sizeof HW_CATCH_ALL - 1) != 0)
                        hash = hw_hash_mix(hash, line, len);
                i += len + 1;
        }
        return hash;
}

static uint64_t hash_file(const char *folder, const char *name, const struct stat *st) {
        uint64_t hash = hw_hash_mix(hw_hash_mix(HW_HASH_BASIS, folder, strlen(folder) + 1), name, strlen(name) + 1);

        return hw_hash_mix(hw_hash_mix(hash, &st->st_mtim, sizeof st->st_mtim), &st->st_ino, sizeof st->st_ino);
}

/*
 * Drop-ins of others: ours is none of the compiler's matter. A sum does not depend on the order in which a folder is
 * read. Hidden files are not systemd's: editors make them, and we do for a moment.
 */
static uint64_t sum_dropins(int dirfd, const char *folder) {
        int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        struct stat st;
        uint64_t sum = 0;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && strcmp(entry->d_name, HW_DROPIN_FILE) != 0 &&
                    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        sum += hash_file(folder, entry->d_name, &st);
        return sum;
}

/*
 * Unit files, and drop-ins but ours: the time of a folder says nothing of a file that is edited in place, nor of those
 * further down. What a link leads to is not looked at: that may be on a filesystem that does not answer.
 */
static uint64_t sum_units(const char *path) {
        _cleanup_closedir_ DIR *dir = opendir(path);
        struct dirent *entry;
        struct stat st;
        uint64_t sum = 0;

        while (dir && (entry = readdir(dir))) {
                if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                sum += S_ISDIR(st.st_mode) ? sum_dropins(dirfd(dir), entry->d_name) : hash_file("", entry->d_name, &st);
        }
        return sum;
}

static uint64_t hash_content(int dirfd, const char *folder, const char *name) {
        uint64_t hash = hw_hash_mix(hw_hash_mix(HW_HASH_BASIS, folder, strlen(folder) + 1), name, strlen(name) + 1);
        _cleanup_buffer_ struct hw_buffer content = { 0 };
        char target[4096];
        ssize_t n = readlinkat(dirfd, name, target, sizeof target);

        if (n >= 0)
                return hw_hash_mix(hash, target, (size_t)n);
        (void)hw_read_file(dirfd, name, GENERATED_BYTES_MAX, &content);
        return hw_hash_mix(hash, content.data, content.len);
}

static uint64_t sum_generated(int at, const char *folder, bool deeper) {
        int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        uint64_t sum = 0;

        while (dir && (entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                sum += hash_content(fd, folder, entry->d_name);
                if (deeper) /* fails for what is no folder */
                        sum += sum_generated(fd, entry->d_name, false);
        }
        return sum;
}

static uint64_t mix_units(uint64_t hash, const char *dropin_dir) {
        uint64_t sum = sum_units(dropin_dir);

        hash = hw_hash_mix(hash, &sum, sizeof sum);
        for (size_t i = 0; i < HW_LEN(unit_folders); i++) {
                sum = sum_units(unit_folders[i]);
                hash = hw_hash_mix(hash, &sum, sizeof sum);
        }
        for (size_t i = 0; i < HW_LEN(generated_folders); i++) {
                sum = sum_generated(AT_FDCWD, generated_folders[i], true);
                hash = hw_hash_mix(hash, &sum, sizeof sum);
        }
        return hash;
}

uint64_t hw_context(const struct hw_options *o) {
        uint64_t hash = mix_units(HW_HASH_BASIS, o->dropin_dir);
        struct stat st;

        for (size_t i = 0; i < HW_LEN(looked_at); i++)
                if (stat(looked_at[i], &st) == 0)
                        hash = hw_hash_mix(hash, &st.st_mtim, sizeof st.st_mtim);
        hash = mix_foreign_profiles(hash, o->securityfs);
        return hash ? hash : 1;
}
