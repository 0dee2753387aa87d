/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bpf-record.h"
#include "clean.h"
#include "hostward-table.h"
#include "sense-record.h"
#include "sense.h"

static void put_address(const struct hw_telemetry_event *o, struct hw_audit_record *r) {
        const bool v6 = o->family == AF_INET6;
        char text[INET6_ADDRSTRLEN] = "";

        (void)inet_ntop(v6 ? AF_INET6 : AF_INET, o->address, text, sizeof text);
        (void)snprintf(r->peer, sizeof r->peer, v6 ? "[%s]:%u" : "%s:%u", text, ntohs(o->port));
}

static size_t text_len(const struct hw_telemetry_event *o) {
        return HW_MIN((size_t)o->text_len, sizeof o->text - 1);
}

/* Arguments, each behind the other. */
static void put_arguments(const struct hw_telemetry_event *o, struct hw_audit_record *r) {
        size_t n = text_len(o);

        while (n > 0 && o->text[n - 1] == 0)
                n--;
        for (size_t i = 0; i < n; i++)
                r->info[i] = o->text[i] ? o->text[i] : ' ';
        r->info[n] = 0;
        _Static_assert(sizeof r->info >= sizeof o->text, "arguments fit");
}

/* A name of a question, as people write it; what is no label ends it. False where there is none. */
static bool put_question(const struct hw_telemetry_event *o, struct hw_audit_record *r) {
        const uint8_t *text = (const uint8_t *)o->text;
        const size_t len = text_len(o);
        size_t at = 0, n = 0;

        while (at < len && text[at] > 0 && text[at] < 64 && at + 1 + text[at] <= len) {
                if (n > 0)
                        r->name[n++] = '.';
                memcpy(r->name + n, text + at + 1, text[at]);
                n += text[at];
                at += 1u + text[at];
        }
        if (n == 0)
                r->name[n++] = '.'; /* the root */
        r->name[n] = 0;
        if (memchr(r->name, 0, n) || at >= len || text[at] != 0)
                return false;
        if (at + 3 <= len)
                (void)snprintf(r->requested, sizeof r->requested, "%u", text[at + 1] << 8 | text[at + 2]); /* its type */
        (void)snprintf(r->operation, sizeof r->operation, "dns");
        return true;
}

bool hw_sense_record(struct hw_slice data, struct hw_actor *actor, struct hw_audit_record *ret) {
        static struct hw_telemetry_event o; /* large */
        const size_t head = offsetof(struct hw_telemetry_event, event);

        if (data.len < head || data.len > sizeof o)
                return false;
        memcpy(&o, data.data, data.len);
        if (o.class == HW_SENSE_NETWORK)
                o.event.requested = hw_tbl_socket_kind(o.family, o.type, o.protocol);
        if (!hw_bpf_record(0, (struct hw_slice){ (const uint8_t *)&o.event, data.len - head }, NULL, 0, actor, ret) ||
            o.class >= HW_SENSE_CLASSES)
                return false;
        ret->observed = hw_sense_name(o.class);
        ret->profile[0] = 0;
        switch (o.class) {
        case HW_SENSE_PROCESS:
                put_arguments(&o, ret);
                break;
        case HW_SENSE_NETWORK:
                put_address(&o, ret);
                break;
        case HW_SENSE_CAPABILITIES:
                (void)snprintf(ret->info, sizeof ret->info, o.refused ? "refused" : "granted");
                break;
        case HW_SENSE_DNS:
                ret->family[0] = ret->sock_type[0] = 0;
                return put_question(&o, ret);
        }
        return true;
}
