/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "check.h"
#include "frame.h"
#include "json.h"
#include "samples.h"

static void what_is_written_is_read_back(void) {
        struct hw_buffer b = { 0 };
        size_t begun = hw_frame_begin(&b, HW_MSG_CONFIRM, 77);
        struct hw_header header;
        struct hw_slice payload;
        uint64_t epoch;

        hw_put_u64(&b, HW_TAG_EPOCH, UINT64_MAX);
        hw_put_text(&b, HW_TAG_REASON, "why");
        CHECK(hw_frame_end(&b, begun) == 0);
        CHECK(hw_header_parse(b.data, &header) == 0);
        CHECK(header.type == HW_MSG_CONFIRM && header.request == 77 && header.length == b.len - HW_HEADER_BYTES);
        payload = (struct hw_slice){ b.data + HW_HEADER_BYTES, header.length };
        CHECK(hw_payload_u64(payload, HW_TAG_EPOCH, &epoch) == 0 && epoch == UINT64_MAX);
        CHECK(hw_payload_u64(payload, HW_TAG_GENERATION, &epoch) == -ENOENT);
        CHECK(hw_payload_u64(payload, HW_TAG_REASON, &epoch) == -EBADMSG);
        hw_buffer_free(&b);
}

static void a_header_with_any_wrong_part_is_refused(void) {
        struct hw_buffer b = { 0 };
        struct hw_header header;

        (void)hw_frame_end(&b, hw_frame_begin(&b, HW_MSG_HELLO, 1));
        for (size_t i = 0; i < 6; i++) {
                b.data[i] ^= 0x40;
                CHECK(hw_header_parse(b.data, &header) == -EBADMSG);
                b.data[i] ^= 0x40;
        }
        b.data[6] = 31;
        CHECK(hw_header_parse(b.data, &header) == -EBADMSG);
        b.data[6] = HW_MSG_HELLO;
        b.data[11] = 3; /* 48 MiB */
        CHECK(hw_header_parse(b.data, &header) == -EBADMSG);
        hw_buffer_free(&b);
}

static void a_payload_cut_at_any_byte_is_refused_or_shorter(void) {
        const struct sample sample = { .digest = "ab", .names = { "hostward" } };
        struct hw_buffer b = { 0 };
        size_t accepted = 0;

        sample_payload(&b, &sample);
        for (size_t n = 0; n < b.len; n++) {
                uint8_t *exact = malloc(n ? n : 1); /* so that the sanitizer sees any byte read beyond */
                int r;

                memcpy(exact, b.data, n);
                r = hw_payload_check((struct hw_slice){ exact, n });
                CHECK(r == 0 || r == -EBADMSG);
                accepted += r == 0;
                free(exact);
        }
        CHECK(accepted == 11); /* only the cuts between two fields, and the empty payload */
        hw_buffer_free(&b);
}

static void unknown_tags_and_reserved_bits_are_refused(void) {
        uint8_t field[8] = { 0 };

        CHECK(hw_payload_check((struct hw_slice){ field, 8 }) == -EBADMSG); /* tag 0 */
        field[0] = HW_TAG_LAST + 1;
        CHECK(hw_payload_check((struct hw_slice){ field, 8 }) == -EBADMSG);
        field[0] = HW_TAG_MODE;
        CHECK(hw_payload_check((struct hw_slice){ field, 8 }) == 0);
        field[2] = 1;
        CHECK(hw_payload_check((struct hw_slice){ field, 8 }) == -EBADMSG);
        field[2] = 0;
        field[1] = HW_OPTIONAL_TAGS >> 8;
        CHECK(hw_payload_check((struct hw_slice){ field, 8 }) == 0);
        field[1] = (HW_OPTIONAL_TAGS >> 8) - 1;
        CHECK(hw_payload_check((struct hw_slice){ field, 8 }) == -EBADMSG);
        field[1] = 0;
        field[7] = 0xff;
        CHECK(hw_payload_check((struct hw_slice){ field, 8 }) == -EBADMSG);
}

static void a_repeated_single_field_is_refused(void) {
        struct hw_buffer b = { 0 };
        struct hw_slice value;

        hw_put_text(&b, HW_TAG_ENVELOPE, "a");
        hw_put_text(&b, HW_TAG_ENVELOPE, "b");
        CHECK(hw_payload_one((struct hw_slice){ b.data, b.len }, HW_TAG_ENVELOPE, &value) == -EBADMSG);
        hw_buffer_free(&b);
}

static void garbage_never_reads_beyond_its_end(void) {
        uint64_t seed = 0x9e3779b97f4a7c15ull;

        for (int round = 0; round < 200000; round++) {
                size_t n = next_random(&seed) % 64;
                uint8_t *bytes = malloc(n ? n : 1);

                for (size_t i = 0; i < n; i++)
                        bytes[i] = next_random(&seed) % 4 ? (uint8_t)(next_random(&seed) % 40) : 0;
                (void)hw_payload_check((struct hw_slice){ bytes, n });
                free(bytes);
        }
}

static void changed_tables_are_refused_or_sound(void) {
        const struct sample sample = { .digest = "ab", .names = { "hostward", "hostward-src-1" },
                                       .probe = "read\0rule\0hostward\0/etc/x", .probe_len = 26 };
        struct hw_buffer b = { 0 };
        uint64_t seed = 42;

        sample_payload(&b, &sample);
        for (int round = 0; round < 20000; round++) {
                struct hw_buffer copy = { 0 };
                struct hw_table *t = NULL;
                const char *why;

                hw_buffer_add(&copy, b.data, b.len);
                for (uint32_t changes = next_random(&seed) % 4 + 1; changes > 0; changes--)
                        copy.data[next_random(&seed) % copy.len] = (uint8_t)next_random(&seed);
                if (next_random(&seed) % 3 == 0)
                        copy.len = next_random(&seed) % copy.len;
                if (hw_table_parse(&copy, &t, &why) == 0)
                        CHECK(t->n_names == 2);
                (void)hw_table_free(t);
                CHECK(copy.data == NULL);
        }
        hw_buffer_free(&b);
}

static void json_of_any_bytes_stays_one_string(void) {
        struct hw_buffer b = { 0 };
        struct hw_json j = { &b, true };

        hw_json_open(&j, NULL, '{');
        hw_json_text(&j, "a", "\"\\\n\x01\x7f");
        hw_json_text(&j, "b", "\xff\xc0\x80\xed\xa0\x80gr\xc3\xbc\xc3\x9f\xf0\x9f\x98\x80\xf0");
        hw_json_base64(&j, "c", slice("ab"));
        hw_json_base64(&j, "d", slice("abc"));
        hw_json_decimal(&j, "e", UINT64_MAX);
        hw_json_close(&j, '}');
        hw_buffer_add(&b, "", 1);
        CHECK(strcmp((char *)b.data, "{\"a\":\"\\\"\\\\\\u000a\\u0001\\u007f\","
                                     "\"b\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                     "gr\xc3\xbc\xc3\x9f\xf0\x9f\x98\x80\xef\xbf\xbd\","
                                     "\"c\":\"YWI=\",\"d\":\"YWJj\",\"e\":\"18446744073709551615\"}") == 0);
        hw_buffer_free(&b);
}

int main(void) {
        TEST(what_is_written_is_read_back);
        TEST(a_header_with_any_wrong_part_is_refused);
        TEST(a_payload_cut_at_any_byte_is_refused_or_shorter);
        TEST(unknown_tags_and_reserved_bits_are_refused);
        TEST(a_repeated_single_field_is_refused);
        TEST(garbage_never_reads_beyond_its_end);
        TEST(changed_tables_are_refused_or_sound);
        TEST(json_of_any_bytes_stays_one_string);
        return 0;
}
