/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/bpf.h>
#include <stddef.h>
#include <sys/socket.h>

#include "check.h"
#include "events.h"
#include "sense-record.h"
#include "sense.h"

/* What the daemon makes of the records of the programs that watch. */

#define HEAD (offsetof(struct hw_telemetry_event, event) + offsetof(struct hw_bpf_event, text))

static struct hw_telemetry_event o;
static struct hw_audit_record record;
static struct hw_actor actor;

static void begin(enum hw_sense_class class) {
        memset(&o, 0, sizeof o);
        o.class = class;
        o.event = (struct hw_bpf_event){ .start = 5000, .exec = 3, .pid = 43, .tgid = 42, .comm = "act", .suppressed = 6 };
}

static void put_text(const char *text, size_t len) {
        memcpy(o.text, text, len);
        o.text_len = (uint32_t)len;
}

static bool read_record(size_t len) {
        uint8_t *exact = malloc(len + 1); /* so that a read beyond it is found */
        bool r;

        CHECK(exact);
        memcpy(exact, &o, len);
        r = hw_sense_record((struct hw_slice){ exact, len }, &actor, &record);
        free(exact);
        return r;
}

static void a_program_has_its_arguments(void) {
        begin(HW_SENSE_PROCESS);
        o.event.class = HW_BPF_PATH;
        o.event.hook = HW_HOOK_EXEC;
        put_text("ls\0-l\0/srv", 11);
        memcpy(o.event.text, "/usr/bin/ls", 11);
        o.event.path_len = 11;
        CHECK(read_record(HEAD + 11));
        CHECK(strcmp(record.observed, "process") == 0 && strcmp(record.operation, "exec") == 0);
        CHECK(strcmp(record.name, "/usr/bin/ls") == 0 && strcmp(record.info, "ls -l /srv") == 0);
        CHECK(record.pid == 42 && record.suppressed == 6 && !record.denied && record.profile[0] == 0);
}

static void a_socket_has_its_address(void) {
        begin(HW_SENSE_NETWORK);
        o.event.class = HW_BPF_SOCKET;
        o.event.hook = HW_HOOK_SOCKET_CONNECT;
        o.family = AF_INET;
        o.type = SOCK_STREAM;
        o.protocol = 6;
        o.port = __builtin_bswap16(443);
        memcpy(o.address, (uint8_t[]){ 192, 0, 2, 1 }, 4);
        CHECK(read_record(HEAD));
        CHECK(strcmp(record.peer, "192.0.2.1:443") == 0 && strcmp(record.family, "inet") == 0);
        CHECK(strcmp(record.operation, "connect") == 0 && strcmp(record.sock_type, "stream") == 0);
        o.family = AF_INET6;
        memset(o.address, 0, 16);
        o.address[15] = 1;
        CHECK(read_record(HEAD));
        CHECK(strcmp(record.peer, "[::1]:443") == 0 && strcmp(record.family, "inet6") == 0);
}

static void a_capability_has_the_answer(void) {
        begin(HW_SENSE_CAPABILITIES);
        o.event.class = HW_BPF_CAPABILITY;
        o.event.hook = HW_HOOK_CAPABLE;
        o.event.requested = 21;
        o.refused = 1;
        CHECK(read_record(HEAD));
        CHECK(record.capability == 21 && strcmp(record.info, "refused") == 0);
}

static bool read_question(const char *text, size_t len) {
        begin(HW_SENSE_DNS);
        o.event.class = HW_BPF_SOCKET;
        o.event.hook = HW_HOOK_SOCKET_SEND;
        put_text(text, len);
        return read_record(HEAD);
}

static void a_question_has_its_name_and_type(void) {
        CHECK(read_question("\7example\3com\0\0\x1c\0\1", 17));
        CHECK(strcmp(record.name, "example.com") == 0 && strcmp(record.requested, "28") == 0);
        CHECK(strcmp(record.operation, "dns") == 0 && record.family[0] == 0);
        CHECK(read_question("\0\0\2\0\1", 5));
        CHECK(strcmp(record.name, ".") == 0 && strcmp(record.requested, "2") == 0);
}

static void what_is_no_question_is_left_out(void) {
        CHECK(!read_question("\7example", 8)); /* the name does not end */
        CHECK(!read_question("\7exa", 4)); /* a label does not */
        CHECK(!read_question("\xc0\x0c\0\1\0\1", 6)); /* a pointer */
        CHECK(!read_question("\3a\0b\0\0\1\0\1", 9)); /* a NUL within */
        CHECK(!read_question("", 0));
}

static void garbage_is_read_within_its_bounds(void) {
        uint64_t seed = 4711;

        for (int round = 0; round < 20000; round++) {
                const size_t len = next_random(&seed) % sizeof o;

                for (size_t i = 0; i < sizeof o && i < HEAD + 64; i++)
                        ((uint8_t *)&o)[i] = (uint8_t)next_random(&seed);
                o.class = next_random(&seed) % (HW_SENSE_CLASSES + 1);
                (void)read_record(len);
        }
        CHECK(!read_record(3));
}

static void telemetry_events_are_numbered_apart_and_kept_nowhere(void) {
        static struct hw_events events;
        uint64_t missed;

        hw_events_init(&events, -1);
        begin(HW_SENSE_FILE);
        o.event.class = HW_BPF_PATH;
        CHECK(read_record(HEAD));
        for (int i = 0; i < HW_EVENTS_MAX + 5; i++)
                hw_events_add_record(&events, &record, 0);
        CHECK(hw_events_after(&events, 0, &missed) && missed == 5);
        CHECK(strstr((const char *)hw_events_after(&events, 0, &missed)->json.data, "\"type\":\"observed\",\"class\":\"file\""));
        hw_events_free(&events);
}

int main(void) {
        TEST(a_program_has_its_arguments);
        TEST(a_socket_has_its_address);
        TEST(a_capability_has_the_answer);
        TEST(a_question_has_its_name_and_type);
        TEST(what_is_no_question_is_left_out);
        TEST(garbage_is_read_within_its_bounds);
        TEST(telemetry_events_are_numbered_apart_and_kept_nowhere);
        return 0;
}
