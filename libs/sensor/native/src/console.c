/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "clean.h"
#include "clock.h"
#include "console.h"
#include "file.h"
#include "frame.h"
#include "usb.h"

/* `resume` and `unload` answer when the kernel has taken the rule set, for which the sensor has five minutes (PATIENT_MS
 * of notify.c, TimeoutStartSec= of hostward-sensor.service): who gives up before is told of a failure that is none. */
#define ANSWER_SECONDS 330

/* In force, but not wholly as it should be: not on disk, or but for a drop-in (mirror: tools/host/offboard.sh). */
#define EXIT_IN_FORCE 3

static int complain(const char *what, const char *remedy) {
        fprintf(stderr, "hostward-sensor: %s\n%s\n", what, remedy);
        return 1;
}

static int dial(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct timeval timeout = { .tv_sec = ANSWER_SECONDS };
        int fd;

        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
                int r = -errno;

                (void)close(fd);
                return r;
        }
        return fd;
}

static int read_full(int fd, uint8_t *p, size_t len) {
        while (len > 0) {
                ssize_t n = read(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ECONNRESET;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

/* Asks and waits for the one answer. */
static int ask(const char *path, struct hw_buffer *question, struct hw_header *ret_header, struct hw_buffer *ret) {
        _cleanup_close_ int fd = dial(path);
        uint8_t header[HW_HEADER_BYTES];
        int r = fd;

        if (r >= 0)
                r = question->failed ? -ENOMEM : hw_write_all(fd, question->data, question->len);
        if (r == 0)
                r = read_full(fd, header, sizeof header);
        if (r == 0)
                r = hw_header_parse(header, ret_header);
        if (r == 0)
                r = hw_buffer_reserve(ret, ret_header->length);
        if (r == 0)
                r = read_full(fd, ret->data, ret_header->length);
        if (r < 0)
                return r;
        ret->len = ret_header->length;
        return hw_payload_check((struct hw_slice){ ret->data, ret->len });
}

/* Said of what was done, but not wholly. */
static bool is_done(struct hw_slice code) {
        return hw_slice_is(code, "not-kept") || hw_slice_is(code, "drop-in-failed");
}

static int call(const char *path, struct hw_buffer *question, uint16_t expected, struct hw_buffer *ret) {
        struct hw_header header;
        struct hw_slice message, code;
        int r = ask(path, question, &header, ret);

        if (r < 0)
                return complain(strerror(-r), "Is hostward-sensor.service running? Only root may ask.");
        if (header.type == expected)
                return 0;
        if (hw_payload_one((struct hw_slice){ ret->data, ret->len }, HW_TAG_MESSAGE, &message) < 0 ||
            hw_payload_one((struct hw_slice){ ret->data, ret->len }, HW_TAG_CODE, &code) < 0)
                return complain("the sensor gave an answer of another kind", "Are both of one version?");
        fprintf(stderr, "hostward-sensor: %s%.*s\n", is_done(code) ? "" : "refused: ", (int)message.len,
                (const char *)message.data);
        return is_done(code) ? EXIT_IN_FORCE : 1;
}

/* JSON, one value a line and indented, for people; the opaque report is left out. */
static void print_lines(struct hw_slice json) {
        bool in_string = false, skipping = false;
        int depth = 0;

        for (size_t i = 0; i < json.len; i++) {
                char c = (char)json.data[i];

                if (in_string && c == '\\') {
                        if (!skipping)
                                printf("\\%c", json.data[i + 1]);
                        i++;
                        continue;
                }
                if (!in_string && json.len - i > 10 && memcmp(json.data + i, "\"report\":\"", 10) == 0) {
                        printf("report: ...");
                        skipping = in_string = true;
                        i += 9;
                        continue;
                }
                if (c == '"')
                        in_string = !in_string;
                if (skipping) {
                        skipping = in_string;
                        continue;
                }
                if (in_string || c == '"')
                        putchar(c);
                else if (c == '{' || c == '[')
                        printf("%s\n%*s", i ? "" : "", 2 * depth++, "");
                else if (c == '}' || c == ']')
                        depth--;
                else if (c == ',')
                        printf("\n%*s", 2 * (depth - 1), "");
                else if (c == ':')
                        printf(": ");
                else
                        putchar(c);
        }
        putchar('\n');
}

int hw_console_status(const char *path, bool json) {
        _cleanup_buffer_ struct hw_buffer question = { 0 }, answer = { 0 };
        struct hw_slice state;
        int r;

        (void)hw_frame_end(&question, hw_frame_begin(&question, HW_MSG_STATUS, 1));
        r = call(path, &question, HW_MSG_STATUS_OK, &answer);
        if (r != 0)
                return r;
        if (hw_payload_one((struct hw_slice){ answer.data, answer.len }, HW_TAG_STATE, &state) < 0)
                return complain("the answer holds no state", "Are both of one version?");
        if (!json)
                print_lines(state);
        else
                printf("%.*s\n", (int)state.len, (const char *)state.data);
        return 0;
}

/* 90s, 30m, 2h or 1d. 0 when it is none of them. */
static uint64_t parse_duration(const char *text) {
        static const struct {
                char unit;
                uint64_t ms;
        } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
        char unit, rest;
        unsigned int n;

        if (sscanf(text, "%6u%c%c", &n, &unit, &rest) != 2)
                return 0;
        for (size_t i = 0; i < HW_LEN(units); i++)
                if (units[i].unit == unit)
                        return n * units[i].ms;
        return 0;
}

int hw_console_suspend(const char *path, const char *mode, const char *for_text, const char *reason) {
        _cleanup_buffer_ struct hw_buffer question = { 0 }, answer = { 0 };
        uint64_t duration = parse_duration(for_text);
        size_t begun = hw_frame_begin(&question, HW_MSG_SUSPEND, 1);
        int r;

        if (duration == 0) {
                (void)complain("--for is a number with s, m, h or d", "For example: --for 30m");
                return 2;
        }
        hw_put_text(&question, HW_TAG_MODE, mode);
        hw_put_u64(&question, HW_TAG_UNTIL, hw_wall_ms() + duration);
        hw_put_text(&question, HW_TAG_REASON, reason);
        (void)hw_frame_end(&question, begun);
        r = call(path, &question, HW_MSG_DONE, &answer);
        if (r == 0)
                printf("suspended: %s for %s; it ends by itself, or by: hostward-sensor resume\n", mode, for_text);
        return r;
}

int hw_console_simple(const char *path, uint16_t type, const char *done) {
        _cleanup_buffer_ struct hw_buffer question = { 0 }, answer = { 0 };
        int r;

        (void)hw_frame_end(&question, hw_frame_begin(&question, type, 1));
        r = call(path, &question, HW_MSG_DONE, &answer);
        if (r == 0)
                puts(done);
        return r;
}

int hw_console_usb_release(const char *path, const char *sysfs, const char *state_dir) {
        _cleanup_close_ int fd = dial(path);
        int r;

        if (fd >= 0)
                return complain("the daemon runs, and would take them again", "Use: hostward-sensor unload");
        r = hw_usb_release(sysfs, state_dir);
        return r < 0 ? complain("not all of USB could be given back", strerror(-r)) : 0;
}
