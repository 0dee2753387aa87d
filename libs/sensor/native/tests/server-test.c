/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "server.h"

/* Who is cut off when more answers wait than the clients of the agent's user may leave untaken. */

#define MIB (1u << 20)

static struct hw_events none;
static struct hw_server s;
static int others[HW_CLIENTS_MAX];

/* It takes nothing, and so much waits for it. */
static void connected(size_t i, bool privileged, size_t waiting) {
        static const uint8_t block[MIB];
        int pair[2];

        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        s.clients[i] = (struct hw_client){ .id = i + 1, .fd = pair[0], .privileged = privileged };
        others[i] = pair[1];
        while (s.clients[i].out.len < waiting)
                hw_buffer_add(&s.clients[i].out, block, sizeof block);
        CHECK(!s.clients[i].out.failed);
}

static void root_is_served_whatever_the_agent_s_user_does_not_take(void) {
        size_t left = 0;

        s = (struct hw_server){ .listen_fd = -1, .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .events = &none,
                                .telemetry_events = &none };
        connected(0, true, 4 * MIB);
        for (size_t i = 1; i <= 7; i++)
                connected(i, false, 16 * MIB);
        (void)hw_server_settle(&s);
        for (size_t i = 1; i <= 7; i++)
                left += hw_server_find(&s, i + 1) != NULL;
        CHECK(hw_server_find(&s, 1)); /* root is not, whoever comes first */
        CHECK(left == 6); /* as many of the others as must */
        hw_server_close(&s);
        for (size_t i = 0; i <= 7; i++)
                (void)close(others[i]);
        (void)close(s.epoll_fd);
}

int main(void) {
        TEST(root_is_served_whatever_the_agent_s_user_does_not_take);
        return 0;
}
