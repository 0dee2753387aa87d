/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf-held.h"
#include "clean.h"
#include "log.h"

#define RECORDS_MAX (8u << 20) /* bytes */

static bool is_known(const struct hw_held *held, const struct hw_held_file *file) {
        for (size_t i = 0; i < held->n; i++)
                if (held->list[i].pid == file->pid && strcmp(held->list[i].path, file->path) == 0)
                        return true;
        return false;
}

static size_t count_processes(const struct hw_held *held) {
        size_t n = 0;

        for (size_t i = 0; i < held->n; i++) {
                size_t earlier = 0;

                while (earlier < i && held->list[earlier].pid != held->list[i].pid)
                        earlier++;
                n += earlier == i;
        }
        return n;
}

static void take(struct hw_held *held, const struct hw_open_file *head, const uint8_t *path) {
        struct hw_held_file file = { .pid = (pid_t)head->tgid, .listed = head->listed };

        memcpy(file.path, path, HW_MIN(head->path_len, sizeof file.path - 1));
        (void)snprintf(file.comm, sizeof file.comm, "%.*s", (int)sizeof head->comm, head->comm);
        if (is_known(held, &file))
                return;
        if (held->n < HW_HELD_MAX)
                held->list[held->n++] = file;
        else
                held->more++;
}

static int read_one(const struct hw_bpf *b, enum hw_bpf_iterator which, struct hw_held *held) {
        _cleanup_buffer_ struct hw_buffer records = { 0 };
        struct hw_open_file head;
        int r = hw_bpf_iterate(b->iterators[which], RECORDS_MAX, &records);

        for (size_t at = 0; r == 0 && at + sizeof head <= records.len; at += sizeof head + head.path_len) {
                memcpy(&head, records.data + at, sizeof head);
                if (head.path_len > records.len - at - sizeof head)
                        return -EBADMSG;
                take(held, &head, records.data + at + sizeof head);
        }
        return r;
}

int hw_bpf_held(const struct hw_bpf *b, struct hw_held *ret) {
        int r;

        ret->n = ret->more = ret->processes = 0;
        if (!b->shift)
                return 0;
        r = read_one(b, HW_BPF_HELD_FILES, ret);
        if (r == 0)
                r = read_one(b, HW_BPF_HELD_MAPS, ret);
        ret->processes = count_processes(ret);
        return r;
}
