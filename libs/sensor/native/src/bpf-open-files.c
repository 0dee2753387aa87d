/* SPDX-License-Identifier: Apache-2.0 */
/* What the iterators over all descriptors and mappings of the host write (bpf/held.bpf.h), which has no bound but time. */
#include <errno.h>
#include <string.h>

#include "bpf-open-files.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "clock.h"

#define PIECE 65536
#define RECORD_MAX (sizeof(struct hw_open_file) + HW_OPEN_FILE_PATH)

struct reading {
        uint8_t bytes[PIECE + RECORD_MAX];
        size_t len;
};

/* Hands on the records that are whole; the rest of one stays. */
static int take_whole(struct reading *in, hw_open_file_handler handler, void *userdata) {
        struct hw_open_file head;
        size_t at = 0;

        while (in->len - at >= sizeof head) {
                memcpy(&head, in->bytes + at, sizeof head);
                if (head.path_len > HW_OPEN_FILE_PATH)
                        return -EBADMSG;
                if (in->len - at < sizeof head + head.path_len)
                        break;
                at += sizeof head;
                handler(&head, (const char *)in->bytes + at, userdata);
                at += head.path_len;
        }
        in->len -= at;
        memmove(in->bytes, in->bytes + at, in->len);
        return 0;
}

int hw_bpf_read_open_files(int fd, uint64_t time_ms, hw_open_file_handler handler, void *userdata) {
        _cleanup_free_ struct reading *in = malloc(sizeof *in);
        const uint64_t deadline = hw_now_ms() + time_ms;

        if (!in)
                return -ENOMEM;
        in->len = 0;
        for (;;) {
                const ssize_t n = read(fd, in->bytes + in->len, PIECE);
                int r;

                if (n == 0)
                        return in->len > 0 ? -EBADMSG : 0;
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                in->len += (size_t)HW_MAX(n, 0);
                r = take_whole(in, handler, userdata);
                if (r < 0)
                        return r;
                if (hw_now_ms() >= deadline)
                        return -ETIME;
        }
}

int hw_bpf_iterate(int link, uint64_t time_ms, hw_open_file_handler handler, void *userdata) {
        _cleanup_close_ int fd = hw_bpf_iterator(link);

        return fd < 0 ? fd : hw_bpf_read_open_files(fd, time_ms, handler, userdata);
}
