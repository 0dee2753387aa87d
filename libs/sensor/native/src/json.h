/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_JSON_H
#define HOSTWARD_JSON_H
#include "buffer.h"

/*
 * A JSON writer that places commas by itself. Strings may be any bytes: what is not UTF-8 becomes U+FFFD, so that a
 * hostile file name can neither break the document nor be refused with it.
 */
struct hw_json {
        struct hw_buffer *out;
        bool first;
};

void hw_json_open(struct hw_json *j, const char *key, char bracket); /* key NULL inside a list and at the top */
void hw_json_close(struct hw_json *j, char bracket);
void hw_json_bytes(struct hw_json *j, const char *key, struct hw_slice value);
void hw_json_text(struct hw_json *j, const char *key, const char *value);
void hw_json_int(struct hw_json *j, const char *key, int64_t value);
/* A u64 as a string of digits: JSON readers lose digits beyond 2^53. */
void hw_json_decimal(struct hw_json *j, const char *key, uint64_t value);
/* Left out when it is empty, or below 0: what is not known. */
void hw_json_text_known(struct hw_json *j, const char *key, const char *value);
void hw_json_int_known(struct hw_json *j, const char *key, int64_t value);
void hw_json_bool(struct hw_json *j, const char *key, bool value);
void hw_json_base64(struct hw_json *j, const char *key, struct hw_slice value);

#endif
