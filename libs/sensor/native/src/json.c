/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "json.h"

/* Length of the well-formed UTF-8 sequence at p, 0 if there is none (RFC 3629: no surrogates, no overlong forms). */
static size_t utf8_length(const uint8_t *p, size_t left) {
        uint32_t code;
        size_t n;

        if (p[0] < 0x80)
                return 1;
        n = p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : 0;
        if (n == 0 || n > left)
                return 0;
        code = p[0] & (0xffu >> (n + 1));
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (p[i] & 0x3fu);
        }
        if ((n == 3 && code < 0x800) || (n == 4 && code < 0x10000) || code > 0x10ffff)
                return 0;
        return code >= 0xd800 && code <= 0xdfff ? 0 : n;
}

static void quote(struct hw_buffer *out, struct hw_slice s) {
        hw_buffer_text(out, "\"");
        for (size_t i = 0; i < s.len;) {
                uint8_t c = s.data[i];
                size_t n = utf8_length(s.data + i, s.len - i);

                if (n == 0)
                        hw_buffer_text(out, "\xef\xbf\xbd");
                else if (c == '"' || c == '\\')
                        hw_buffer_format(out, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        hw_buffer_format(out, "\\u%04x", c);
                else
                        hw_buffer_add(out, s.data + i, n);
                i += n ? n : 1;
        }
        hw_buffer_text(out, "\"");
}

static void before(struct hw_json *j, const char *key) {
        if (!j->first)
                hw_buffer_text(j->out, ",");
        j->first = false;
        if (key)
                hw_buffer_format(j->out, "\"%s\":", key);
}

void hw_json_open(struct hw_json *j, const char *key, char bracket) {
        before(j, key);
        hw_buffer_add(j->out, &bracket, 1);
        j->first = true;
}

void hw_json_close(struct hw_json *j, char bracket) {
        hw_buffer_add(j->out, &bracket, 1);
        j->first = false;
}

void hw_json_bytes(struct hw_json *j, const char *key, struct hw_slice value) {
        before(j, key);
        quote(j->out, value);
}

void hw_json_text(struct hw_json *j, const char *key, const char *value) {
        hw_json_bytes(j, key, (struct hw_slice){ (const uint8_t *)value, strlen(value) });
}

void hw_json_int(struct hw_json *j, const char *key, int64_t value) {
        before(j, key);
        hw_buffer_format(j->out, "%" PRId64, value);
}

void hw_json_decimal(struct hw_json *j, const char *key, uint64_t value) {
        before(j, key);
        hw_buffer_format(j->out, "\"%" PRIu64 "\"", value);
}

void hw_json_bool(struct hw_json *j, const char *key, bool value) {
        before(j, key);
        hw_buffer_text(j->out, value ? "true" : "false");
}

void hw_json_base64(struct hw_json *j, const char *key, struct hw_slice value) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        before(j, key);
        hw_buffer_text(j->out, "\"");
        for (size_t i = 0; i < value.len; i += 3) {
                size_t left = value.len - i;
                uint32_t three = (uint32_t)value.data[i] << 16 | (left > 1 ? (uint32_t)value.data[i + 1] << 8 : 0) |
                                 (left > 2 ? value.data[i + 2] : 0u);
                char four[4] = { digits[three >> 18], digits[three >> 12 & 63], digits[three >> 6 & 63],
                                 digits[three & 63] };

                if (left < 3)
                        four[3] = '=';
                if (left < 2)
                        four[2] = '=';
                hw_buffer_add(j->out, four, sizeof four);
        }
        hw_buffer_text(j->out, "\"");
}

void hw_json_text_known(struct hw_json *j, const char *key, const char *value) {
        if (value[0])
                hw_json_text(j, key, value);
}

void hw_json_int_known(struct hw_json *j, const char *key, int64_t value) {
        if (value >= 0)
                hw_json_int(j, key, value);
}
