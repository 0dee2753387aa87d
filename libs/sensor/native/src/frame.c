/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "frame.h"

static uint16_t get16(const uint8_t *p) {
        return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p) {
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put16(uint8_t *p, uint16_t v) {
        p[0] = (uint8_t)v;
        p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v) {
        put16(p, (uint16_t)v);
        put16(p + 2, (uint16_t)(v >> 16));
}

static bool known_type(uint16_t type) {
        return (type >= HW_MSG_HELLO && type <= HW_MSG_UNLOAD) || (type >= HW_MSG_COMPILE && type <= HW_MSG_REJECTED) ||
               (type >= HW_MSG_SNAPSHOT && type <= HW_MSG_MEMORY);
}

int hw_header_parse(const uint8_t *bytes, struct hw_header *ret) {
        *ret = (struct hw_header){
                .magic = get32(bytes),
                .version = get16(bytes + 4),
                .type = get16(bytes + 6),
                .length = get32(bytes + 8),
                .request = get32(bytes + 12),
        };
        if (ret->magic != HW_MAGIC || ret->version != HW_ABI_VERSION)
                return -EBADMSG;
        if (!known_type(ret->type) || ret->length > HW_MAX_FRAME_BYTES)
                return -EBADMSG;
        return 0;
}

int hw_field_next(struct hw_cursor *cursor, struct hw_field *ret) {
        const uint8_t *p = cursor->left.data;
        size_t left = cursor->left.len;
        uint32_t len;

        if (left == 0)
                return 0;
        if (left < HW_FIELD_HEADER_BYTES)
                return -EBADMSG;
        ret->tag = get16(p);
        len = get32(p + 4);
        if (ret->tag < HW_TAG_VERSION || (ret->tag > HW_TAG_LAST && ret->tag < HW_OPTIONAL_TAGS) || get16(p + 2) != 0)
                return -EBADMSG;
        if (len > left - HW_FIELD_HEADER_BYTES)
                return -EBADMSG;
        ret->value = (struct hw_slice){ p + HW_FIELD_HEADER_BYTES, len };
        cursor->left = (struct hw_slice){ p + HW_FIELD_HEADER_BYTES + len, left - HW_FIELD_HEADER_BYTES - len };
        return 1;
}

int hw_payload_check(struct hw_slice payload) {
        struct hw_cursor cursor = { payload };
        struct hw_field field;
        int r;

        do
                r = hw_field_next(&cursor, &field);
        while (r > 0);
        return r;
}

int hw_payload_one(struct hw_slice payload, uint16_t tag, struct hw_slice *ret) {
        struct hw_cursor cursor = { payload };
        struct hw_field field;
        bool found = false;
        int r;

        while ((r = hw_field_next(&cursor, &field)) > 0) {
                if (field.tag != tag)
                        continue;
                if (found)
                        return -EBADMSG;
                found = true;
                *ret = field.value;
        }
        if (r < 0)
                return r;
        return found ? 0 : -ENOENT;
}

int hw_slice_u64(struct hw_slice value, uint64_t *ret) {
        if (value.len != 8)
                return -EBADMSG;
        *ret = (uint64_t)get32(value.data) | (uint64_t)get32(value.data + 4) << 32;
        return 0;
}

int hw_payload_u64(struct hw_slice payload, uint16_t tag, uint64_t *ret) {
        struct hw_slice value;
        int r = hw_payload_one(payload, tag, &value);

        return r < 0 ? r : hw_slice_u64(value, ret);
}

size_t hw_frame_begin(struct hw_buffer *b, uint16_t type, uint32_t request) {
        uint8_t header[HW_HEADER_BYTES];
        size_t begun = b->len;

        put32(header, HW_MAGIC);
        put16(header + 4, HW_ABI_VERSION);
        put16(header + 6, type);
        put32(header + 8, 0);
        put32(header + 12, request);
        hw_buffer_add(b, header, sizeof header);
        return begun;
}

void hw_put_bytes(struct hw_buffer *b, uint16_t tag, const void *data, size_t len) {
        uint8_t header[HW_FIELD_HEADER_BYTES];

        if (len > HW_MAX_FRAME_BYTES) {
                b->failed = true;
                return;
        }
        put16(header, tag);
        put16(header + 2, 0);
        put32(header + 4, (uint32_t)len);
        hw_buffer_add(b, header, sizeof header);
        hw_buffer_add(b, data, len);
}

void hw_put_text(struct hw_buffer *b, uint16_t tag, const char *text) {
        hw_put_bytes(b, tag, text, strlen(text));
}

void hw_put_u64(struct hw_buffer *b, uint16_t tag, uint64_t value) {
        uint8_t bytes[8];

        put32(bytes, (uint32_t)value);
        put32(bytes + 4, (uint32_t)(value >> 32));
        hw_put_bytes(b, tag, bytes, sizeof bytes);
}

int hw_frame_end(struct hw_buffer *b, size_t begun) {
        size_t length;

        if (b->failed)
                return -ENOMEM;
        length = b->len - begun - HW_HEADER_BYTES;
        if (length > HW_MAX_FRAME_BYTES) {
                b->len = begun;
                return -EMSGSIZE;
        }
        put32(b->data + begun + 8, (uint32_t)length);
        return 0;
}
