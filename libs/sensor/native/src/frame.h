/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_FRAME_H
#define HOSTWARD_FRAME_H
#include "../include/hostward-abi.h"
#include "buffer.h"

_Static_assert(sizeof(struct hw_header) == HW_HEADER_BYTES, "the header has no padding");

struct hw_field {
        uint16_t tag;
        struct hw_slice value;
};

/* Walks the fields of a payload; start it with the payload itself. */
struct hw_cursor {
        struct hw_slice left;
};

/* 0 or -EBADMSG. `bytes` holds HW_HEADER_BYTES. */
int hw_header_parse(const uint8_t *bytes, struct hw_header *ret);

/* 1 with a field, 0 at the end, -EBADMSG. */
int hw_field_next(struct hw_cursor *cursor, struct hw_field *ret);

/* 0 if every field of the payload is well formed, else -EBADMSG. */
int hw_payload_check(struct hw_slice payload);

/* The value of a field that must occur exactly once: 0, -ENOENT or -EBADMSG. */
int hw_payload_one(struct hw_slice payload, uint16_t tag, struct hw_slice *ret);
int hw_payload_u64(struct hw_slice payload, uint16_t tag, uint64_t *ret);
int hw_slice_u64(struct hw_slice value, uint64_t *ret);

/* Building: begin, put fields, end. The place returned by begin goes to end. */
size_t hw_frame_begin(struct hw_buffer *b, uint16_t type, uint32_t request);
void hw_put_bytes(struct hw_buffer *b, uint16_t tag, const void *data, size_t len);
void hw_put_text(struct hw_buffer *b, uint16_t tag, const char *text);
void hw_put_u64(struct hw_buffer *b, uint16_t tag, uint64_t value);
/* 0, -ENOMEM, or -EMSGSIZE beyond HW_MAX_FRAME_BYTES: then the frame is taken out again. */
int hw_frame_end(struct hw_buffer *b, size_t begun);

#endif
