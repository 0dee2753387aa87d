/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clean.h"
#include "clock.h"
#include "compile.h"
#include "profiles.h"

#define REQUEST 1u
#define READ_BYTES 262144

static int dial(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
                int r = -errno;

                (void)close(fd);
                return r;
        }
        return fd;
}

static int put_name(const char *name, void *userdata) {
        hw_put_text(userdata, HW_TAG_LOADED_NAME, name);
        return 0;
}

int hw_compile_start(struct hw_compile *c, const char *path, struct hw_slice envelope, const struct hw_memory *memory,
                     const char *securityfs, bool bpf_lsm, bool again, uint64_t timeout_ms) {
        size_t begun = hw_frame_begin(&c->out, HW_MSG_COMPILE, REQUEST);
        int r;

        hw_put_bytes(&c->out, HW_TAG_ENVELOPE, envelope.data, envelope.len);
        hw_put_assignment_version(&c->out, &memory->highest);
        (void)hw_profiles_each_loaded(securityfs, put_name, &c->out); /* none where there is no AppArmor */
        hw_put_u64(&c->out, HW_TAG_TIME_LIMIT, timeout_ms);
        if (bpf_lsm)
                hw_put_u64(&c->out, HW_TAG_BPF_LSM, 1);
        if (memory->ended_at)
                hw_put_u64(&c->out, HW_TAG_ENDED_AT, memory->ended_at);
        if (again)
                hw_put_u64(&c->out, HW_TAG_AGAIN, 1);
        r = hw_frame_end(&c->out, begun);
        if (r == 0)
                c->fd = r = dial(path);
        if (r < 0) {
                hw_compile_stop(c);
                return r;
        }
        c->deadline = hw_now_ms() + timeout_ms;
        return 0;
}

bool hw_compile_wants_write(const struct hw_compile *c) {
        return c->out.len > 0;
}

static int send_some(struct hw_compile *c) {
        while (c->out.len > 0) {
                ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                hw_buffer_drop_front(&c->out, (size_t)n);
        }
        return 0;
}

/* 1 when a whole frame is there; it must be the answer to our question and the last thing said. */
static int check_frame(struct hw_compile *c, uint16_t *ret_type) {
        struct hw_header header;

        if (c->in.len < HW_HEADER_BYTES)
                return 0;
        if (hw_header_parse(c->in.data, &header) < 0 || header.request != REQUEST)
                return -EBADMSG;
        if (header.type != HW_MSG_COMPILED && header.type != HW_MSG_REJECTED)
                return -EBADMSG;
        if (c->in.len - HW_HEADER_BYTES < header.length)
                return 0;
        if (c->in.len - HW_HEADER_BYTES > header.length)
                return -EBADMSG;
        hw_buffer_drop_front(&c->in, HW_HEADER_BYTES);
        *ret_type = header.type;
        return 1;
}

int hw_compile_ready(struct hw_compile *c, uint16_t *ret_type) {
        ssize_t n;
        int r = send_some(c);

        if (r < 0 && r != -EPIPE) /* it may have answered, and closed, before it read everything */
                return r;
        if (hw_buffer_reserve(&c->in, READ_BYTES) < 0)
                return -ENOMEM;
        n = recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        c->in.len += (size_t)n;
        return check_frame(c, ret_type);
}

void hw_compile_stop(struct hw_compile *c) {
        hw_close(&c->fd);
        hw_buffer_free(&c->out);
        hw_buffer_free(&c->in);
}
