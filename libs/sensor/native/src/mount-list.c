/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "file.h"
#include "mount-list.h"

#define BYTES_MAX (16u << 20)

struct hw_mount_line {
        unsigned long id, parent;
        const char *place;
        bool local;
};

static bool is_local_type(const char *type) {
        static const char *const local[] = { "ext2",     "ext3",    "ext4", "xfs",      "btrfs", "f2fs", "tmpfs",
                                             "devtmpfs", "ramfs",   "zfs",  "bcachefs", "ubifs", "jfs",  "overlay",
                                             "reiserfs", "nilfs2" };

        for (size_t i = 0; i < HW_LEN(local); i++)
                if (strcmp(type, local[i]) == 0)
                        return true;
        return false;
}

/* The kernel writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text) {
        char *to = text;

        for (const char *from = text; *from; from++)
                if (*from == '\\' && from[1] && from[2] && from[3]) {
                        *to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
                        from += 3;
                } else
                        *to++ = *from;
        *to = 0;
}

/* A line: id parent major:minor root place options, any number of tags, "-", type, ... */
static bool read_line(char *text, struct hw_mount_line *ret) {
        char *save = NULL, *word = strtok_r(text, " ", &save), *place = NULL;

        *ret = (struct hw_mount_line){ 0 };
        for (size_t i = 0; word && strcmp(word, "-") != 0; i++, word = strtok_r(NULL, " ", &save))
                if (i == 0)
                        ret->id = strtoul(word, NULL, 10);
                else if (i == 1)
                        ret->parent = strtoul(word, NULL, 10);
                else if (i == 4)
                        place = word;
        word = strtok_r(NULL, " ", &save);
        if (!place || !word)
                return false;
        unescape(place);
        ret->place = place;
        ret->local = is_local_type(word);
        return true;
}

int hw_mount_list_read(struct hw_mount_list *ret) {
        size_t lines = 1;
        int r;

        *ret = (struct hw_mount_list){ 0 };
        r = hw_read_file(AT_FDCWD, "/proc/self/mountinfo", BYTES_MAX, &ret->text);
        hw_buffer_add(&ret->text, "", 1);
        for (size_t i = 0; i < ret->text.len; i++)
                lines += ret->text.data[i] == '\n';
        ret->lines = r < 0 || ret->text.failed ? NULL : calloc(lines, sizeof *ret->lines);
        if (!ret->lines) {
                hw_mount_list_free(ret);
                return r < 0 ? r : -ENOMEM;
        }
        for (char *save = NULL, *line = strtok_r((char *)ret->text.data, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save))
                ret->n += read_line(line, &ret->lines[ret->n]);
        return 0;
}

void hw_mount_list_free(struct hw_mount_list *list) {
        hw_buffer_free(&list->text);
        free(list->lines);
        *list = (struct hw_mount_list){ 0 };
}

/* Whether another mount is on that one, on the same place. */
static bool is_covered(const struct hw_mount_list *list, const struct hw_mount_line *mount) {
        for (size_t i = 0; i < list->n; i++)
                if (list->lines[i].parent == mount->id && list->lines[i].id != mount->id &&
                    strcmp(list->lines[i].place, mount->place) == 0)
                        return true;
        return false;
}

bool hw_mount_list_is_local(const struct hw_mount_list *list, const char *place) {
        bool found = false;

        for (size_t i = 0; i < list->n; i++) {
                const struct hw_mount_line *mount = &list->lines[i];

                if (strcmp(mount->place, place) != 0 || is_covered(list, mount))
                        continue;
                if (!mount->local)
                        return false; /* of several, all but one are hidden, and which is not told */
                found = true;
        }
        return found;
}
