/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's part in USB: which rules hold now, what is told of it, and what status says. */
#include <string.h>
#include <sys/epoll.h>

#include "clean.h"
#include "clock.h"
#include "devices.h"
#include "enforce.h"
#include "log.h"

#define DRIFT "USB: "

static void describe(const struct hw_usb_device *device, char *ret, size_t size) {
        (void)snprintf(ret, size, "%s (%04x:%04x)", device->place, device->descriptors.vendor, device->descriptors.product);
}

static void tell(const struct hw_usb_device *device, enum hw_usb_told what, void *userdata) {
        const struct hw_usb_function f = device->verdict.function;
        struct hw_daemon *d = userdata;
        char name[32], info[HW_USB_WORDS_MAX + 256];
        int n;

        if (device->is_readable)
                (void)snprintf(name, sizeof name, "%u/%u/%u", f.class, f.sub_class, f.protocol);
        else
                (void)snprintf(name, sizeof name, "unreadable");
        n = snprintf(info, sizeof info, "place=%s id=%04x:%04x level=%u", device->place, device->descriptors.vendor,
                     device->descriptors.product, hw_usb_level(device->place));
        if (device->serial[0])
                n += snprintf(info + n, sizeof info - (size_t)n, " serial=%s", device->serial);
        if (what == HW_USB_SPARED)
                (void)snprintf(info + n, sizeof info - (size_t)n, " spared: %s", device->spared);
        hw_events_add_device(&d->events,
                             &(struct hw_device_event){ .denied = what == HW_USB_DENIED, .rule = device->verdict.rule->rule,
                                                        .name = name, .dev = device->dev, .info = info },
                             d->table->assignment_version.generation);
        if (what == HW_USB_DENIED)
                hw_warn("a USB device is kept out of use place=%s function=%s", device->place, name);
        else if (what == HW_USB_SPARED)
                hw_warn("a USB device that a rule refuses stays in use place=%s reason=%s", device->place, device->spared);
}

static void drift(const char *what, void *userdata) {
        char text[HW_USB_WORDS_MAX + 8];

        (void)snprintf(text, sizeof text, DRIFT "%s", what);
        hw_drift_add(userdata, NULL, text);
}

void hw_devices_settle(struct hw_daemon *d) {
        hw_usb_settle(&d->usb, d->table ? d->table->usb : NULL, hw_memory_mode(&d->memory));
        if (d->usb.fault[0])
                hw_error("USB is not as the rules ask fault=%s", d->usb.fault);
        else
                hw_drift_repaired(d, DRIFT);
}

void hw_devices_start(struct hw_daemon *d) {
        d->usb.tell = tell;
        d->usb.drift = drift;
        d->usb.userdata = d;
        hw_usb_init(&d->usb, d->options->sysfs, d->state_fd);
        if (d->usb.events >= 0 && hw_daemon_watch(d, d->usb.events, HW_ON_DEVICES, EPOLLIN) < 0)
                hw_close(&d->usb.events);
        if (d->usb.events < 0)
                hw_warn("USB devices are found by looking only, not as they come error=%m");
}

static void put_spared(struct hw_json *j, const struct hw_usb *u) {
        char words[64];

        hw_json_open(j, "spared", '[');
        for (size_t i = 0; i < u->n; i++) {
                if (!u->devices[i].spared[0])
                        continue;
                describe(&u->devices[i], words, sizeof words);
                hw_json_open(j, NULL, '{');
                hw_json_int(j, "rule", u->devices[i].verdict.rule->rule);
                hw_json_text(j, "device", words);
                hw_json_text(j, "reason", u->devices[i].spared);
                hw_json_close(j, '}');
        }
        hw_json_close(j, ']');
}

void hw_devices_write(const struct hw_daemon *d, struct hw_json *j) {
        const struct hw_usb *u = &d->usb;
        size_t refused = 0;

        if (!d->table || !d->table->usb)
                return;
        for (size_t i = 0; i < u->n; i++)
                refused += u->devices[i].hand == HW_USB_OURS;
        hw_json_open(j, "devices", '{');
        hw_json_bool(j, "bus", u->bus);
        hw_json_bool(j, "listening", u->events >= 0);
        hw_json_text_known(j, "fault", u->fault);
        hw_json_int(j, "present", (int64_t)u->n);
        hw_json_int(j, "refused", (int64_t)refused);
        put_spared(j, u);
        hw_json_close(j, '}');
}
