/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "clean.h"
#include "clock.h"
#include "log.h"
#include "server.h"

#define STUCK_MS 30000
#define SMALL_FRAME_BYTES 65536u          /* every message but APPLY */
#define INCOMING_BYTES_MAX (96u << 20)    /* of all clients of the agent's user together */
#define OUTGOING_BYTES_MAX (96u << 20)    /* likewise */
#define ANSWERS_WATERMARK (1u << 20)      /* of one client: above it nothing more is answered */
#define EVENTS_WATERMARK (256u << 10)     /* events are queued only below it, the ring keeps the rest */
#define READ_BYTES 65536

/* The user that the agent runs as, from /etc/passwd alone: a directory service could hang us. */
static bool find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid) {
        _cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");
        struct passwd *entry;

        while (f && (entry = fgetpwent(f)))
                if (strcmp(entry->pw_name, name) == 0) {
                        *ret_uid = entry->pw_uid;
                        *ret_gid = entry->pw_gid;
                        return true;
                }
        return false;
}

static int bind_socket(int fd, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        mode_t old;
        int r;

        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        (void)unlink(path);
        old = umask(0177);
        r = bind(fd, (struct sockaddr *)&address, sizeof address);
        (void)umask(old);
        return r < 0 || listen(fd, 16) < 0 ? -errno : 0;
}

static int watch(const struct hw_server *s, int op, int fd, uint64_t id, uint32_t what) {
        struct epoll_event event = { .events = what, .data.u64 = id };

        return epoll_ctl(s->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

int hw_server_open(struct hw_server *s, const char *path, const char *agent_user) {
        gid_t gid;
        int r;

        s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->listen_fd < 0)
                return -errno;
        r = bind_socket(s->listen_fd, path);
        if (r < 0)
                return r;
        s->agent_known = find_user(agent_user, &s->agent_uid, &gid) && s->agent_uid != 0;
        if (!s->agent_known)
                hw_warn("the agent's user does not exist, only root may connect user=%s", agent_user);
        else if (chown(path, (uid_t)-1, gid) < 0 || chmod(path, 0660) < 0)
                return -errno;
        return 0;
}

static void drop(struct hw_server *s, struct hw_client *c) {
        (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
        hw_close(&c->fd);
        hw_buffer_free(&c->in);
        hw_buffer_free(&c->out);
        c->id = 0;
}

static void violation(struct hw_server *s, struct hw_client *c, const char *what) {
        s->violations++;
        c->doomed = true;
        hw_warn("a client broke the protocol and was cut off what=%s uid=%u pid=%d", what, c->uid, c->pid);
}

void hw_server_close(struct hw_server *s) {
        for (size_t i = 0; i < HW_CLIENTS_MAX; i++)
                if (s->clients[i].id)
                        drop(s, &s->clients[i]);
        hw_close(&s->listen_fd);
}

struct hw_client *hw_server_find(struct hw_server *s, uint64_t id) {
        for (size_t i = 0; id && i < HW_CLIENTS_MAX; i++)
                if (s->clients[i].id == id && !s->clients[i].doomed)
                        return &s->clients[i];
        return NULL;
}

bool hw_server_is_agent(const struct hw_server *s, pid_t pid) {
        for (size_t i = 0; s->agent_known && i < HW_CLIENTS_MAX; i++)
                if (s->clients[i].id && s->clients[i].pid == pid && s->clients[i].uid == s->agent_uid)
                        return true;
        return false;
}

static struct hw_client *free_place(struct hw_server *s, bool privileged) {
        struct hw_client *place = NULL;
        size_t others = 0;

        for (size_t i = 0; i < HW_CLIENTS_MAX; i++) {
                if (!s->clients[i].id)
                        place = &s->clients[i];
                else
                        others += !s->clients[i].privileged;
        }
        return privileged || others < HW_CLIENTS_AGENT_MAX ? place : NULL;
}

static void welcome(struct hw_server *s, int fd) {
        struct hw_client *place;
        struct ucred peer;
        socklen_t size = sizeof peer;
        bool privileged;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                goto refuse;
        privileged = peer.uid == 0 || peer.uid == geteuid();
        if (!privileged && !(s->agent_known && peer.uid == s->agent_uid))
                goto refuse; /* deny: the socket's mode should have kept it out */
        place = free_place(s, privileged);
        if (!place)
                goto refuse;
        *place = (struct hw_client){ .id = ++s->next_id, .fd = fd, .uid = peer.uid, .pid = peer.pid,
                                     .privileged = privileged };
        if (watch(s, EPOLL_CTL_ADD, fd, place->id, EPOLLIN) == 0)
                return;
        place->id = 0;
refuse:
        s->refused++;
        (void)close(fd);
}

void hw_server_accept(struct hw_server *s) {
        for (int i = 0; i < 16; i++) {
                int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0)
                        return;
                welcome(s, fd);
        }
}

static bool counts(const struct hw_client *c) {
        return c->id && !c->privileged;
}

/* Root is served whatever the agent's user has in flight. Of its own frames root alone decides: APPLY may be large. */
static bool too_much_incoming(const struct hw_server *s, const struct hw_client *c) {
        size_t sum = 0;

        for (size_t i = 0; i < HW_CLIENTS_MAX; i++)
                sum += counts(&s->clients[i]) ? s->clients[i].in.cap : 0;
        return counts(c) && sum > INCOMING_BYTES_MAX;
}

/* Handles the frames that are complete. */
static void take_frames(struct hw_server *s, struct hw_client *c) {
        size_t used = 0;

        c->held = false;
        while (!c->doomed && !c->held && c->in.len - used >= HW_HEADER_BYTES) {
                struct hw_header header;
                struct hw_slice payload = { c->in.data + used + HW_HEADER_BYTES, 0 };

                if (hw_header_parse(c->in.data + used, &header) < 0)
                        return violation(s, c, "header");
                if (header.type != HW_MSG_APPLY && header.length > SMALL_FRAME_BYTES)
                        return violation(s, c, "length");
                if (c->in.len - used - HW_HEADER_BYTES < header.length)
                        break;
                payload.len = header.length;
                if (hw_payload_check(payload) < 0)
                        return violation(s, c, "field");
                if (s->handle(c, &header, payload, s->userdata) < 0)
                        return violation(s, c, "message");
                used += HW_HEADER_BYTES + header.length;
                c->held = c->out.len > ANSWERS_WATERMARK;
        }
        if (used) {
                hw_buffer_drop_front(&c->in, used);
                c->half_since = 0;
        }
        if (c->in.len && !c->half_since && !c->held)
                c->half_since = hw_now_ms();
}

static void receive(struct hw_server *s, struct hw_client *c) {
        ssize_t n;

        if (hw_buffer_reserve(&c->in, READ_BYTES) < 0 || too_much_incoming(s, c))
                return violation(s, c, "too much in flight");
        n = recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                if (c->in.len)
                        s->violations++; /* cut in the middle of a frame */
                c->doomed = true;
                return;
        }
        c->in.len += (size_t)n;
        take_frames(s, c);
}

void hw_server_ready(struct hw_server *s, uint64_t id, uint32_t what) {
        struct hw_client *c = hw_server_find(s, id);

        if (!c)
                return;
        if (c->held) /* it is not read from now; when it has gone nobody waits for the rest */
                c->doomed = what & (EPOLLHUP | EPOLLERR);
        else if (what & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(s, c);
}

static void send_out(struct hw_client *c) {
        while (c->out.len > 0) {
                ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN) {
                        c->stuck_since = c->stuck_since ? c->stuck_since : hw_now_ms();
                        return;
                }
                if (n < 0) {
                        c->doomed = true;
                        return;
                }
                c->stuck_since = 0;
                hw_buffer_drop_front(&c->out, (size_t)n);
        }
}

static void put_frame(struct hw_client *c, uint64_t seq, struct hw_slice json) {
        size_t begun = hw_frame_begin(&c->out, HW_MSG_EVENT, 0);

        hw_put_u64(&c->out, HW_TAG_SEQUENCE, seq);
        hw_put_bytes(&c->out, HW_TAG_EVENT, json.data, json.len);
        (void)hw_frame_end(&c->out, begun);
}

static void put_event(struct hw_client *c, uint64_t seq, struct hw_slice json) {
        put_frame(c, seq, json);
        c->cursor = seq;
}

/* Those that the ring dropped before this subscriber took them: it is told how many, at the last of their numbers. */
static void put_missed(struct hw_client *c, uint64_t seq, uint64_t missed) {
        char json[256];
        int n = snprintf(json, sizeof json,
                         "{\"seq\":%llu,\"time\":%llu,\"type\":\"lost\",\"info\":\"not taken in time\",\"count\":%llu}",
                         (unsigned long long)seq, (unsigned long long)hw_wall_ms(), (unsigned long long)missed);

        put_event(c, seq, (struct hw_slice){ (const uint8_t *)json, (size_t)n });
}

static void put_events(const struct hw_server *s, struct hw_client *c) {
        while (c->subscribed && c->out.len < EVENTS_WATERMARK && !c->out.failed) {
                uint64_t missed;
                const struct hw_event *event = hw_events_after(s->events, c->cursor, &missed);

                if (!event)
                        return;
                if (missed)
                        put_missed(c, s->events->dropped_last, missed);
                put_event(c, event->seq, event->json);
        }
}

/* Behind all events, and numbered for themselves: nobody resumes at a telemetry event. */
static void put_telemetry_events(struct hw_server *s, struct hw_client *c) {
        while (c->subscribed && c->out.len < EVENTS_WATERMARK && !c->out.failed) {
                uint64_t missed;
                const struct hw_event *telemetry_event = hw_events_after(s->telemetry_events, c->observed, &missed);

                if (!telemetry_event)
                        return;
                s->telemetry_events_missed += missed;
                put_frame(c, telemetry_event->seq, telemetry_event->json);
                c->observed = telemetry_event->seq;
                s->observed = HW_MAX(s->observed, telemetry_event->seq);
        }
}

/* Whether the ring holds something behind that number. */
static bool is_behind(const struct hw_events *e, uint64_t seq) {
        return e->n > 0 && seq + 1 < e->next_seq;
}

static bool too_much_outgoing(const struct hw_server *s, const struct hw_client *c) {
        size_t sum = 0;

        for (size_t i = 0; i < HW_CLIENTS_MAX; i++)
                sum += counts(&s->clients[i]) ? s->clients[i].out.len : 0;
        return counts(c) && c->out.len > ANSWERS_WATERMARK && sum > OUTGOING_BYTES_MAX;
}

static uint64_t settle_one(struct hw_server *s, struct hw_client *c) {
        uint64_t now, deadline = UINT64_MAX;

        do {
                put_events(s, c);
                put_telemetry_events(s, c);
                send_out(c);
        } while (!c->doomed && !c->stuck_since && c->out.len == 0 && c->subscribed && !c->out.failed &&
                 (is_behind(s->events, c->cursor) || is_behind(s->telemetry_events, c->observed)));
        if (c->held && !c->doomed && c->out.len <= ANSWERS_WATERMARK)
                take_frames(s, c);
        now = hw_now_ms(); /* not before: since when it is stuck was found only now */
        if (c->out.failed || (c->stuck_since && now - c->stuck_since > STUCK_MS) ||
            too_much_outgoing(s, c))
                c->doomed = true;
        if (c->half_since && now - c->half_since >= s->frame_ms)
                violation(s, c, "half a frame");
        (void)watch(s, EPOLL_CTL_MOD, c->fd, c->id, (c->held ? 0 : (uint32_t)EPOLLIN) | (c->out.len ? (uint32_t)EPOLLOUT : 0));
        if (c->half_since)
                deadline = c->half_since + s->frame_ms;
        if (c->stuck_since)
                deadline = HW_MIN(deadline, c->stuck_since + STUCK_MS + 1);
        return deadline;
}

uint64_t hw_server_settle(struct hw_server *s) {
        uint64_t deadline = UINT64_MAX;

        for (size_t i = 0; i < HW_CLIENTS_MAX; i++) {
                struct hw_client *c = &s->clients[i];
                uint64_t own;

                if (!c->id)
                        continue;
                own = settle_one(s, c);
                deadline = HW_MIN(deadline, own);
                if (c->doomed)
                        drop(s, c);
        }
        return deadline;
}

void hw_client_done(struct hw_client *c, uint32_t request) {
        (void)hw_frame_end(&c->out, hw_frame_begin(&c->out, HW_MSG_DONE, request));
}

void hw_client_error(struct hw_client *c, uint32_t request, const char *code, const char *message) {
        size_t begun = hw_frame_begin(&c->out, HW_MSG_ERROR, request);

        hw_put_text(&c->out, HW_TAG_CODE, code);
        hw_put_text(&c->out, HW_TAG_MESSAGE, message);
        (void)hw_frame_end(&c->out, begun);
}
