/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boots.h"
#include "clean.h"
#include "file.h"
#include "log.h"
#include "usb-files.h"

#define FILE_NAME "usb"
#define FILE_BYTES_MAX (1u << 16)

int hw_usb_open(const struct hw_usb *u, const char *name, const char *attribute, int flags) {
        char path[4096];
        int n, fd;

        if (strcmp(name, HW_USB_MODULE) == 0)
                n = snprintf(path, sizeof path, "%s/module/" HW_USB_MODULE "/parameters/%s", u->sysfs, attribute);
        else
                n = snprintf(path, sizeof path, "%s/bus/usb/devices/%s/%s", u->sysfs, name, attribute);
        if (n < 0 || (size_t)n >= sizeof path)
                return -ENAMETOOLONG;
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Control characters and spaces are the device's own words: they must not look like a further field. */
static void make_word(char *text) {
        for (char *p = text; *p; p++)
                if ((unsigned char)*p <= ' ' || *p == 0x7f)
                        *p = '_';
}

int hw_usb_attribute(const struct hw_usb *u, const char *name, const char *attribute, char *ret, size_t size) {
        _cleanup_close_ int fd = hw_usb_open(u, name, attribute, O_RDONLY);
        ssize_t n;

        ret[0] = 0;
        if (fd < 0)
                return fd;
        n = read(fd, ret, size - 1);
        if (n < 0)
                return -errno;
        ret[n] = 0;
        ret[strcspn(ret, "\n")] = 0;
        make_word(ret);
        return 0;
}

struct hw_usb_device *hw_usb_add(struct hw_usb *u, const char *place, const char *number) {
        struct hw_usb_device *device;

        if (u->n == HW_USB_DEVICES_MAX)
                return NULL;
        device = &u->devices[u->n++];
        *device = (struct hw_usb_device){ 0 };
        (void)snprintf(device->place, sizeof device->place, "%s", place);
        (void)snprintf(device->number, sizeof device->number, "%s", number);
        return device;
}

static void load_line(struct hw_usb *u, const char *line) {
        char kind[16], name[HW_USB_PLACE_MAX], value[16];
        struct hw_usb_device *device;

        if (sscanf(line, "%15s %31s %15s", kind, name, value) != 3)
                return;
        if (strcmp(kind, "gate") == 0 && u->n_gates < HW_USB_GATES_MAX) {
                struct hw_usb_gate *gate = &u->gates[u->n_gates++];

                (void)snprintf(gate->name, sizeof gate->name, "%s", name);
                (void)snprintf(gate->before, sizeof gate->before, "%s", value);
                return;
        }
        device = strcmp(kind, "ours") == 0 || strcmp(kind, "others") == 0 ? hw_usb_add(u, name, value) : NULL;
        if (!device)
                return;
        device->hand = strcmp(kind, "ours") == 0 ? HW_USB_OURS : HW_USB_OTHERS;
        device->told = HW_USB_DENIED; /* by an earlier life, if it was ours */
}

/* Of another boot nothing holds: the kernel begins anew. */
void hw_usb_load(struct hw_usb *u) {
        _cleanup_buffer_ struct hw_buffer text = { 0 };
        char id[64], first[80], *save = NULL, *line;
        int r = hw_read_file(u->dirfd, FILE_NAME, FILE_BYTES_MAX, &text);

        hw_boot_id(id);
        (void)snprintf(first, sizeof first, "boot %s", id);
        hw_buffer_add(&text, "", 1);
        if (r < 0 || text.failed) {
                if (r != -ENOENT)
                        hw_warn("what was done to USB before is not known error=%s", strerror(-r));
                return;
        }
        line = strtok_r((char *)text.data, "\n", &save);
        if (!line || strcmp(line, first) != 0)
                return;
        while ((line = strtok_r(NULL, "\n", &save)))
                load_line(u, line);
}

void hw_usb_save(struct hw_usb *u) {
        _cleanup_buffer_ struct hw_buffer text = { 0 };
        char id[64];
        uint32_t crc;
        int r;

        hw_boot_id(id);
        hw_buffer_format(&text, "boot %s\n", id);
        for (size_t i = 0; i < u->n_gates; i++)
                hw_buffer_format(&text, "gate %s %s\n", u->gates[i].name, u->gates[i].before);
        for (size_t i = 0; i < u->n; i++)
                if (u->devices[i].hand != HW_USB_NOBODY)
                        hw_buffer_format(&text, "%s %s %s\n", u->devices[i].hand == HW_USB_OURS ? "ours" : "others",
                                         u->devices[i].place, u->devices[i].number);
        crc = hw_crc32((struct hw_slice){ text.data, text.len });
        if (text.failed || crc == u->saved)
                return;
        r = hw_write_atomic(u->dirfd, FILE_NAME, text.data, text.len, 0600);
        if (r < 0)
                hw_warn("what was done to USB cannot be written error=%s", strerror(-r));
        else
                u->saved = crc;
}
