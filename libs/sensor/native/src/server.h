/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SERVER_H
#define HOSTWARD_SERVER_H
#include <sys/types.h>

#include "events.h"
#include "frame.h"

#define HW_CLIENTS_MAX 32
#define HW_CLIENTS_AGENT_MAX 24 /* the rest is kept for root at the console */

/* Somebody connected to the socket: root or the agent's user, by the kernel's word (SO_PEERCRED). */
struct hw_client {
        uint64_t id; /* never used again; 0 is a free place */
        int fd;
        uid_t uid;
        pid_t pid;
        bool privileged; /* root: may suspend, resume, unload */
        bool subscribed, doomed;
        bool held; /* it takes its answers too slowly: what it asks meanwhile waits */
        uint64_t cursor, observed; /* last event and telemetry event sent */
        uint64_t half_since; /* when the unfinished frame began, 0 = none */
        uint64_t stuck_since; /* since when it takes nothing of what is to be sent, 0 = it does */
        struct hw_buffer in, out;
};

/*
 * The Unix socket. Bounded: places, bytes of unfinished frames and of answers not yet taken, over all clients of the
 * agent's user, who so takes nothing from root, and time for half a frame. Questions of a client that does not take its
 * answers wait. Whoever breaks the protocol is cut off and counted.
 */
struct hw_server {
        int listen_fd, epoll_fd;
        uid_t agent_uid;
        bool agent_known;
        uint64_t frame_ms; /* for the rest of a frame once it has begun */
        uint64_t next_id, refused, violations;
        struct hw_client clients[HW_CLIENTS_MAX];
        const struct hw_events *events, *telemetry_events;
        uint64_t observed; /* highest that anybody was sent */
        uint64_t telemetry_events_missed; /* dropped before they were taken */
        /* Below 0: the message was not well formed, the client is cut off. */
        int (*handle)(struct hw_client *client, const struct hw_header *header, struct hw_slice payload, void *userdata);
        void *userdata;
};

int hw_server_open(struct hw_server *s, const char *path, const char *agent_user);
void hw_server_close(struct hw_server *s);
void hw_server_accept(struct hw_server *s);
/* What epoll says about a client, found by its id. */
void hw_server_ready(struct hw_server *s, uint64_t id, uint32_t what);
/* Sends waiting events, cuts off who is too slow. Call after each round; returns the next deadline or UINT64_MAX. */
uint64_t hw_server_settle(struct hw_server *s);
struct hw_client *hw_server_find(struct hw_server *s, uint64_t id);
/* Whether the process is a connected client of the agent's user. */
bool hw_server_is_agent(const struct hw_server *s, pid_t pid);

/* Answers. `put` fields between begin and end, or use the short forms. */
void hw_client_done(struct hw_client *c, uint32_t request);
void hw_client_error(struct hw_client *c, uint32_t request, const char *code, const char *message);

#endif
