/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clean.h"
#include "clock.h"
#include "confirm.h"
#include "jobs.h"
#include "log.h"
#include "messages.h"
#include "state.h"
#include "suspend.h"
#include "units.h"

#define SUSPEND_MAX_MS (7ull * 24 * 3600 * 1000)

static int put_state(struct hw_daemon *d, struct hw_client *c, uint16_t type, uint32_t request) {
        _cleanup_buffer_ struct hw_buffer json = { 0 };
        size_t begun = hw_frame_begin(&c->out, type, request);

        if (type == HW_MSG_HELLO_OK)
                hw_put_text(&c->out, HW_TAG_VERSION, HW_VERSION);
        hw_state_write(d, &json);
        hw_put_bytes(&c->out, HW_TAG_STATE, json.data, json.len);
        if (json.failed || hw_frame_end(&c->out, begun) < 0)
                return -ENOMEM;
        return 0;
}

static int enqueue(struct hw_daemon *d, struct hw_client *c, enum hw_job_kind kind, uint32_t request,
                   struct hw_slice envelope) {
        if (hw_jobs_add(d, kind, c->id, request, envelope) < 0)
                hw_client_error(c, request, "busy", "too much is waiting already, ask again later");
        return 0;
}

static int on_apply(struct hw_daemon *d, struct hw_client *c, uint32_t request, struct hw_slice payload) {
        struct hw_slice envelope;

        if (hw_payload_one(payload, HW_TAG_ENVELOPE, &envelope) < 0)
                return -EBADMSG;
        return enqueue(d, c, HW_JOB_APPLY, request, envelope);
}

static int on_confirm(struct hw_daemon *d, struct hw_client *c, uint32_t request, struct hw_slice payload) {
        struct hw_assignment_version assignment_version;

        if (hw_payload_assignment_version(payload, &assignment_version) < 0)
                return -EBADMSG;
        switch (hw_confirm_accept(d, c->pid, &assignment_version)) {
        case -ESTALE:
                hw_client_error(c, request, "not-in-force", "another assignment is in force");
                return 0;
        case -EAGAIN:
                hw_client_error(c, request, "restart-needed",
                                "a policy overrides the protection of the control path: start anew under it, then confirm");
                return 0;
        default:
                hw_client_done(c, request);
                return 0;
        }
}

/* What the console ordered is in force, whatever the disk says: who ordered it is told where that ends. */
static void answer_in_force(const struct hw_daemon *d, struct hw_client *c, uint32_t request) {
        char message[768];

        if (d->unkept) {
                (void)snprintf(message, sizeof message,
                               "this is in force, but cannot be written to disk: it holds until the next start of the "
                               "sensor only, unless there is room in %s before; make room, it is tried again",
                               d->options->state_dir);
                hw_client_error(c, request, "not-kept", message);
        } else if (hw_units_are_unsettled(d)) {
                (void)snprintf(message, sizeof message, "this is in force, but %s; make it possible, it is tried again",
                               d->jobs.outcome.message);
                hw_client_error(c, request, d->jobs.outcome.code, message);
        } else
                hw_client_done(c, request);
}

static void answer_loaded(const struct hw_daemon *d, struct hw_client *c, uint32_t request, int r) {
        if (r < 0)
                hw_client_error(c, request, d->jobs.outcome.code, d->jobs.outcome.message);
        else
                answer_in_force(d, c, request);
}

/* Nobody is told that rules are in force again which are not. */
static void answer_resumed(const struct hw_daemon *d, struct hw_client *c, uint32_t request, int r) {
        if (r == 0 && hw_memory_mode(&d->memory) != HW_MODE_ENFORCE)
                hw_client_error(c, request, "suspended",
                                "what this host ordered is over, but the control plane suspends it too: hostward-sensor "
                                "status says until when; end it there (hostward delete suspension)");
        else
                answer_loaded(d, c, request, r);
}

static int parse_suspension(struct hw_slice payload, struct hw_suspension *ret) {
        struct hw_slice mode, reason;

        *ret = (struct hw_suspension){ .active = true, .by = HW_BY_CONSOLE };
        if (hw_payload_one(payload, HW_TAG_MODE, &mode) < 0 || hw_mode_parse(mode, &ret->mode) < 0 ||
            ret->mode == HW_MODE_ENFORCE)
                return -EBADMSG;
        if (hw_payload_u64(payload, HW_TAG_UNTIL, &ret->until) < 0 ||
            hw_payload_one(payload, HW_TAG_REASON, &reason) < 0)
                return -EBADMSG;
        if (reason.len == 0 || reason.len > HW_REASON_MAX || memchr(reason.data, 0, reason.len))
                return -EBADMSG;
        memcpy(ret->reason, reason.data, reason.len);
        return 0;
}

static int on_suspend(struct hw_daemon *d, struct hw_client *c, uint32_t request, struct hw_slice payload) {
        struct hw_suspension suspension;
        uint64_t now = hw_wall_ms();

        if (parse_suspension(payload, &suspension) < 0)
                return -EBADMSG;
        if (suspension.until <= now || suspension.until - now > SUSPEND_MAX_MS) {
                hw_client_error(c, request, "bad-end", "a suspension must end within seven days from now");
                return 0;
        }
        answer_loaded(d, c, request, hw_suspend_begin(d, &suspension));
        return 0;
}

static int on_subscribe(struct hw_daemon *d, struct hw_client *c, uint32_t request, struct hw_slice payload) {
        uint64_t sequence;

        if (hw_payload_u64(payload, HW_TAG_SEQUENCE, &sequence) < 0)
                return -EBADMSG;
        /* A number that was never given out would make us silent for ever: it counts as "from now". */
        c->cursor = sequence && sequence < d->events.next_seq ? sequence : d->events.next_seq - 1;
        c->observed = d->server.observed; /* from what nobody was sent yet */
        c->subscribed = true;
        hw_client_done(c, request);
        return 0;
}

static bool root_only(uint16_t type) {
        return type == HW_MSG_SUSPEND || type == HW_MSG_RESUME || type == HW_MSG_UNLOAD;
}

int hw_messages_handle(struct hw_client *c, const struct hw_header *header, struct hw_slice payload,
                       void *userdata) {
        struct hw_daemon *d = userdata;
        uint32_t request = header->request;

        if (request == 0)
                return -EBADMSG;
        if (root_only(header->type) && !c->privileged) {
                hw_warn("a message that is root's was refused type=%u uid=%u", header->type, c->uid);
                hw_client_error(c, request, "not-permitted", "only root at the console may do this");
                return 0;
        }
        switch (header->type) {
        case HW_MSG_HELLO:
                return put_state(d, c, HW_MSG_HELLO_OK, request);
        case HW_MSG_STATUS:
                return put_state(d, c, HW_MSG_STATUS_OK, request);
        case HW_MSG_APPLY:
                return on_apply(d, c, request, payload);
        case HW_MSG_RECHECK:
                return enqueue(d, c, HW_JOB_RECHECK, request, (struct hw_slice){ 0 });
        case HW_MSG_CONFIRM:
                return on_confirm(d, c, request, payload);
        case HW_MSG_SUBSCRIBE:
                return on_subscribe(d, c, request, payload);
        case HW_MSG_SUSPEND:
                return on_suspend(d, c, request, payload);
        case HW_MSG_RESUME:
                answer_resumed(d, c, request, hw_resume(d));
                return 0;
        case HW_MSG_UNLOAD:
                answer_loaded(d, c, request, hw_unload(d));
                return 0;
        default:
                return -EBADMSG;
        }
}
