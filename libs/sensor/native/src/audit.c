/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "audit.h"
#include "clean.h"
#include "log.h"

#define RECEIVE_BYTES (8 << 20)
#define RECORDS_A_CALL 512
#define BACKLOG_WANTED 8192u
#define ANSWER_MS 500
#define RECORD_AVC 1400

static int open_socket(unsigned int groups) {
        struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = groups };
        int size = RECEIVE_BYTES;
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT);

        if (fd < 0)
                return -errno;
        if (groups && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* no CAP_NET_ADMIN: up to rmem_max */
        if (bind(fd, (struct sockaddr *)&self, sizeof self) < 0) {
                int r = -errno;

                (void)close(fd);
                return r;
        }
        return fd;
}

/* One message from the kernel itself; other processes may write to netlink sockets too. Length, 0 to skip, or errno. */
static ssize_t receive(int fd, void *buffer, size_t size) {
        struct iovec iov = { buffer, size };
        struct sockaddr_nl from = { 0 };
        struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n = recvmsg(fd, &msg, 0);

        if (n < 0)
                return -errno;
        if (from.nl_pid != 0 || (size_t)n < sizeof(struct nlmsghdr) || (msg.msg_flags & MSG_TRUNC))
                return 0;
        return n;
}

static int request(int fd, uint16_t type, const void *data, size_t len) {
        struct {
                struct nlmsghdr header;
                struct audit_status status;
        } message = { .header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(len), .nlmsg_type = type,
                                  .nlmsg_flags = NLM_F_REQUEST } };
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

        if (len)
                memcpy(&message.status, data, len);
        return sendto(fd, &message, message.header.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0 ? -errno
                                                                                                              : 0;
}

/* The latest answer that is there; the kernel sends it from a thread of its own, so that one may have to wait. */
static int read_status(int fd, int wait_ms, struct audit_status *ret) {
        _Alignas(struct nlmsghdr) uint8_t buffer[1024];
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        int found = -EAGAIN;
        ssize_t n;

        (void)poll(&poll_fd, 1, wait_ms);
        while ((n = receive(fd, buffer, sizeof buffer)) >= 0) {
                const struct nlmsghdr *header = (const void *)buffer;
                size_t len = (size_t)n - sizeof *header;

                if (n == 0 || header->nlmsg_type != AUDIT_GET)
                        continue;
                memset(ret, 0, sizeof *ret);
                memcpy(ret, buffer + NLMSG_HDRLEN, HW_MIN(len, sizeof *ret));
                found = 0;
        }
        return found;
}

/* Without an audit daemon the kernel queues 64 records and drops the rest of a burst. */
static void widen_backlog(int fd) {
        struct audit_status status;

        if (request(fd, AUDIT_GET, NULL, 0) < 0 || read_status(fd, ANSWER_MS, &status) < 0)
                return;
        if (status.backlog_limit >= BACKLOG_WANTED || status.backlog_limit == 0)
                return;
        status = (struct audit_status){ .mask = AUDIT_STATUS_BACKLOG_LIMIT, .backlog_limit = BACKLOG_WANTED };
        if (request(fd, AUDIT_SET, &status, sizeof status) == 0)
                hw_info("the kernel's audit queue was widened limit=%u", BACKLOG_WANTED);
}

int hw_audit_open(struct hw_audit *a) {
        *a = (struct hw_audit){ .fd = -1, .control_fd = -1 };
        a->fd = open_socket(1u << (AUDIT_NLGRP_READLOG - 1));
        if (a->fd < 0) {
                int r = a->fd;

                a->fd = -1;
                return r;
        }
        a->control_fd = open_socket(0);
        if (a->control_fd >= 0) {
                widen_backlog(a->control_fd);
                (void)hw_audit_poll_lost(a);
        }
        return 0;
}

void hw_audit_close(struct hw_audit *a) {
        hw_close(&a->fd);
        hw_close(&a->control_fd);
}

unsigned int hw_audit_read(struct hw_audit *a, hw_record_handler handler, void *userdata) {
        static _Alignas(struct nlmsghdr) uint8_t buffer[65536];
        static struct hw_audit_record record;
        unsigned int lost = 0;

        for (int i = 0; i < RECORDS_A_CALL; i++) {
                ssize_t n = receive(a->fd, buffer, sizeof buffer);
                const struct nlmsghdr *header = (const void *)buffer;
                int r;

                if (n == -EINTR)
                        continue;
                if (n == -ENOBUFS)
                        lost++;
                if (n < 0)
                        break;
                if (n == 0 || header->nlmsg_type != RECORD_AVC)
                        continue;
                r = hw_audit_record_parse((const char *)buffer + NLMSG_HDRLEN, (size_t)n - NLMSG_HDRLEN, &record);
                if (r > 0)
                        handler(&record, userdata);
                lost += r < 0;
        }
        a->lost += lost;
        return lost;
}

uint32_t hw_audit_poll_lost(struct hw_audit *a) {
        struct audit_status status;
        uint32_t since;
        int r;

        /* Reads what an earlier question brought and asks the next: nobody waits, and the number is one round old. */
        if (a->control_fd < 0)
                return 0;
        r = read_status(a->control_fd, 0, &status);
        (void)request(a->control_fd, AUDIT_GET, NULL, 0);
        if (r < 0)
                return 0;
        since = a->kernel_lost_known ? status.lost - a->kernel_lost : 0;
        a->kernel_lost = status.lost;
        a->kernel_lost_known = true;
        a->lost += since;
        return since;
}
