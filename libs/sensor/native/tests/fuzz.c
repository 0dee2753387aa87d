/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every parser of the sensor that reads bytes of others, for libFuzzer with ASan and UBSan; `make fuzz` builds it, and
 * HOSTWARD_FUZZ names the parser. What is accepted must also keep the promises of its header, else it aborts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit-record.h"
#include "check.h"
#include "clean.h"
#include "file.h"
#include "json.h"
#include "policy-blob.h"
#include "snapshot.h"
#include "usb-rules.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int directory = -1;

/* As the server and the compiler's client read: a header, and the fields that its length promises. */
static void fuzz_frame(struct hw_slice input) {
        struct hw_header header;
        struct hw_slice payload, value = { 0 };
        uint64_t number;
        bool sound;

        if (input.len < HW_HEADER_BYTES || hw_header_parse(input.data, &header) < 0)
                return;
        payload = (struct hw_slice){ input.data + HW_HEADER_BYTES, input.len - HW_HEADER_BYTES };
        payload.len = HW_MIN(payload.len, header.length);
        sound = hw_payload_check(payload) == 0;
        for (uint16_t tag = HW_TAG_VERSION; tag <= HW_TAG_LAST; tag++) {
                int r = hw_payload_one(payload, tag, &value);

                CHECK(sound || r < 0);
                CHECK(r < 0 || (value.data >= payload.data && value.len <= payload.len));
                CHECK(hw_payload_u64(payload, tag, &number) < 0 || value.len == 8);
        }
}

static int count_name(struct hw_slice name, struct hw_slice bytes, void *userdata) {
        CHECK(bytes.len > 0 && name.len <= bytes.len);
        (void)hw_name_is_ours(name);
        ++*(size_t *)userdata;
        return 0;
}

static void fuzz_blob(struct hw_slice input) {
        size_t n = 0;

        (void)hw_blob_walk(input, count_name, &n);
}

static void check_table(const struct hw_table *t) {
        for (size_t i = 0; i < t->n_names; i++)
                CHECK(hw_name_is_ours((struct hw_slice){ (const uint8_t *)t->names[i], strlen(t->names[i]) }));
        for (size_t i = 0; i < HW_LEN(t->blobs); i++) {
                size_t n = 0;

                CHECK(hw_blob_walk(t->blobs[i], count_name, &n) == 0 && (n == t->n_names || t->blobs[i].len == 0));
        }
        CHECK(hw_table_equals(t, t) && hw_table_same_effect(t, t));
}

static void fuzz_table(struct hw_slice input) {
        _cleanup_table_ struct hw_table *t = NULL;
        struct hw_buffer payload = { 0 };
        const char *why = NULL;

        hw_buffer_add(&payload, input.data, input.len);
        if (hw_table_parse(&payload, &t, &why) == 0)
                check_table(t);
        CHECK(payload.data == NULL);
}

/* One record; what is read of it then goes into the JSON that the agent is given. */
static void fuzz_audit(struct hw_slice input) {
        static struct hw_audit_record record;
        _cleanup_buffer_ struct hw_buffer out = { 0 };
        struct hw_json json = { &out, true };

        if (hw_audit_record_parse((const char *)input.data, input.len, &record) != 1)
                return;
        CHECK(strstr(record.profile, HW_CATCH_ALL));
        hw_json_open(&json, NULL, '{');
        hw_json_text(&json, "name", record.name);
        hw_json_text(&json, "target", record.target);
        hw_json_text(&json, "comm", record.comm);
        hw_json_text(&json, "info", record.info);
        hw_json_close(&json, '}');
        CHECK(!memchr(out.data, '\n', out.len));
}

/* A file whose checksum is right, since a fuzzer would not find it. */
static void put_file(const char *name, uint16_t type, struct hw_slice payload) {
        _cleanup_buffer_ struct hw_buffer file = { 0 };
        size_t begun = hw_frame_begin(&file, type, 0);

        hw_buffer_add(&file, payload.data, payload.len);
        hw_put_u64(&file, HW_TAG_CHECKSUM, hw_crc32(payload));
        CHECK(hw_frame_end(&file, begun) == 0);
        _cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && hw_write_all(fd, file.data, file.len) == 0);
}

static void fuzz_snapshot(struct hw_slice input) {
        _cleanup_table_ struct hw_table *t = NULL;

        put_file(HW_SNAPSHOT, HW_MSG_SNAPSHOT, input);
        if (hw_snapshot_load(directory, HW_SNAPSHOT, &t) == 0)
                check_table(t);
}

static void fuzz_memory(struct hw_slice input) {
        struct hw_memory m, again;

        put_file(HW_MEMORY, HW_MSG_MEMORY, input);
        if (hw_memory_load(directory, &m) < 0)
                return;
        CHECK(hw_memory_mode(&m) <= HW_MODE_OFF && hw_confirm_text(m.confirm) && hw_by_text(m.suspension.by));
        put_file(HW_MEMORY, HW_MSG_MEMORY, input);
        CHECK(hw_memory_load(directory, &again) == 0 && hw_assignment_version_compare(&m.highest, &again.highest) == 0);
}

/* A device's descriptors, and a message of the kernel, which names what a device calls itself. */
static void fuzz_usb(struct hw_slice input) {
        static struct hw_usb_rules rules;
        struct hw_usb_descriptors device;
        const char text[] = "block 100 0 8 - - - nothing\nunlisted-block 0 1 - - - - control-path\n";

        (void)hw_usb_event_concerns(input);
        CHECK(hw_usb_rules_parse((struct hw_slice){ (const uint8_t *)text, sizeof text - 1 }, &rules) == 0);
        if (hw_usb_descriptors_parse(input, &device) < 0)
                return;
        CHECK(device.n <= HW_USB_FUNCTIONS_MAX);
        for (size_t i = 0; i < device.n; i++)
                CHECK(device.functions[i].class != 8 || hw_usb_judge(&rules, &device, 1).action == HW_USB_BLOCK);
}

static const struct {
        const char *name;
        void (*run)(struct hw_slice input);
} parsers[] = {
        { "frame", fuzz_frame }, { "blob", fuzz_blob },         { "table", fuzz_table },
        { "audit", fuzz_audit }, { "snapshot", fuzz_snapshot }, { "memory", fuzz_memory },
        { "usb", fuzz_usb },
};

static void (*parser)(struct hw_slice input);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        const char *name = getenv("HOSTWARD_FUZZ"), *folder = getenv("HOSTWARD_FUZZ_DIR");

        (void)argc;
        (void)argv;
        for (size_t i = 0; name && i < HW_LEN(parsers); i++)
                if (strcmp(parsers[i].name, name) == 0)
                        parser = parsers[i].run;
        directory = open(folder ? folder : "/tmp", O_DIRECTORY | O_CLOEXEC);
        if (parser && directory >= 0)
                return 0;
        (void)fprintf(stderr, "HOSTWARD_FUZZ names no parser, or HOSTWARD_FUZZ_DIR no folder\n");
        exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        parser((struct hw_slice){ data, size });
        return 0;
}
