/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "log.h"
#include "notify.h"
#include "usb-files.h"
#include "usb-spare.h"
#include "usb.h"

#define KERNEL_GROUP 1u
#define MESSAGES_A_CALL 4096
#define DESCRIPTOR_BYTES_MAX (1u << 18)
#define DEFAULT "authorized_default"
#define CLOSED "0"

void hw_usb_init(struct hw_usb *u, const char *sysfs, int dirfd) {
        struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };

        u->sysfs = sysfs;
        u->dirfd = dirfd;
        u->devices = calloc(HW_USB_DEVICES_MAX, sizeof *u->devices);
        if (!u->devices)
                abort(); /* at the start of the daemon: systemd tries again */
        hw_usb_load(u);
        u->events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
        if (u->events < 0)
                return;
        if (bind(u->events, (struct sockaddr *)&self, sizeof self) < 0)
                hw_close(&u->events);
}

void hw_usb_close(struct hw_usb *u) {
        hw_close(&u->events);
        free(u->devices);
        u->devices = NULL;
}

bool hw_usb_read(struct hw_usb *u) {
        static char buffer[16384];
        bool concerns = false;

        for (int i = 0; i < MESSAGES_A_CALL; i++) {
                struct iovec iov = { buffer, sizeof buffer };
                struct sockaddr_nl from = { 0 };
                struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1 };
                const ssize_t n = recvmsg(u->events, &msg, 0);

                if (n < 0 && errno == ENOBUFS)
                        concerns = true; /* something was lost: it may have been ours */
                else if (n < 0 && errno != EINTR)
                        break;
                if (n > 0 && from.nl_pid == 0) /* else a process wrote it */
                        concerns = concerns || hw_usb_event_concerns((struct hw_slice){ (uint8_t *)buffer, (size_t)n });
        }
        return concerns;
}

static void fault(struct hw_usb *u, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct hw_usb *u, const char *format, ...) {
        va_list ap;

        if (u->fault[0])
                return; /* the first says most */
        va_start(ap, format);
        (void)vsnprintf(u->fault, sizeof u->fault, format, ap);
        va_end(ap);
}

static void drifted(struct hw_usb *u, const char *format, const char *name) {
        char what[HW_USB_WORDS_MAX];

        (void)snprintf(what, sizeof what, format, name);
        u->drift(what, u->userdata);
}

static struct hw_usb_gate *gate_of(struct hw_usb *u, const char *name) {
        for (size_t i = 0; i < u->n_gates; i++)
                if (strcmp(u->gates[i].name, name) == 0)
                        return &u->gates[i];
        return NULL;
}

static int write_value(const struct hw_usb *u, const char *name, const char *value) {
        _cleanup_close_ int fd = hw_usb_open(u, name, DEFAULT, O_WRONLY);

        return fd < 0 ? fd : hw_write_all(fd, value, strlen(value));
}

/* What was before is kept first: whoever comes after us can give it back. */
static void close_gate(struct hw_usb *u, const char *name) {
        struct hw_usb_gate *gate = gate_of(u, name);
        char value[16];
        int r = hw_usb_attribute(u, name, DEFAULT, value, sizeof value);

        if (r == -ENOENT)
                return; /* it is gone, or there is no module yet */
        if (r == 0 && gate && strcmp(value, CLOSED) != 0)
                drifted(u, "new devices on %s were let in by hand", name);
        if (r == 0 && !gate && u->n_gates < HW_USB_GATES_MAX) {
                gate = &u->gates[u->n_gates++];
                *gate = (struct hw_usb_gate){ 0 };
                (void)snprintf(gate->name, sizeof gate->name, "%s", name);
                (void)snprintf(gate->before, sizeof gate->before, "%s", value);
                hw_usb_save(u);
        }
        if (r == 0 && strcmp(value, CLOSED) != 0)
                r = write_value(u, name, CLOSED);
        if (r == 0)
                r = hw_usb_attribute(u, name, DEFAULT, value, sizeof value);
        if (r < 0)
                fault(u, "%s/" DEFAULT " cannot be set: %s", name, strerror(-r));
        else if (!gate || strcmp(value, CLOSED) != 0)
                fault(u, "%s lets new devices in", name);
}

static void open_gates(struct hw_usb *u) {
        size_t kept = 0;

        for (size_t i = 0; i < u->n_gates; i++) {
                const int r = write_value(u, u->gates[i].name, u->gates[i].before);

                if (r == 0 || r == -ENOENT)
                        continue;
                fault(u, "%s/" DEFAULT " cannot be given back: %s", u->gates[i].name, strerror(-r));
                u->gates[kept++] = u->gates[i];
        }
        u->n_gates = kept;
}

static void read_device(const struct hw_usb *u, struct hw_usb_device *device) {
        _cleanup_close_ int fd = hw_usb_open(u, device->place, "descriptors", O_RDONLY);
        _cleanup_free_ uint8_t *raw = malloc(DESCRIPTOR_BYTES_MAX);
        size_t len = 0;
        ssize_t n = -1;

        while (raw && fd >= 0 && len < DESCRIPTOR_BYTES_MAX && (n = read(fd, raw + len, DESCRIPTOR_BYTES_MAX - len)) > 0)
                len += (size_t)n;
        device->is_readable = n == 0 && hw_usb_descriptors_parse((struct hw_slice){ raw, len }, &device->descriptors) == 0;
        (void)hw_usb_attribute(u, device->place, "serial", device->serial, sizeof device->serial);
        (void)hw_usb_attribute(u, device->place, "dev", device->dev, sizeof device->dev);
}

/* The one at a place now, known from before or new. */
static struct hw_usb_device *find_device(struct hw_usb *u, const char *place, const char *number) {
        for (size_t i = 0; i < u->n; i++)
                if (strcmp(u->devices[i].place, place) == 0 && strcmp(u->devices[i].number, number) == 0)
                        return &u->devices[i];
        return NULL;
}

static void tell(struct hw_usb *u, struct hw_usb_device *device, enum hw_usb_told what) {
        if (what == device->told)
                return;
        device->told = what;
        if (what != HW_USB_UNTOLD)
                u->tell(device, what, u->userdata);
}

static bool authorize(struct hw_usb *u, struct hw_usb_device *device, int fd, bool in_use) {
        hw_notify("WATCHDOG=1"); /* drivers bind, or let go, before it returns */
        if (pwrite(fd, in_use ? "1" : "0", 1, 0) == 1)
                return true;
        if (errno != ENODEV)
                fault(u, "%s cannot be %s: %s", device->place, in_use ? "given back" : "taken out of use", strerror(errno));
        return false;
}

/* A device that is refused, and in use. */
static void take(struct hw_usb *u, struct hw_usb_device *device, int fd) {
        const char *needed = device->verdict.rule->spares && device->hand != HW_USB_OURS
                                     ? hw_usb_needed(u->sysfs, device->place)
                                     : NULL;

        if (needed) {
                (void)snprintf(device->spared, sizeof device->spared, "%s", needed);
                tell(u, device, HW_USB_SPARED);
                return;
        }
        if (device->hand == HW_USB_OURS)
                drifted(u, "device %s was let in by hand", device->place);
        device->hand = HW_USB_OURS;
        hw_usb_save(u); /* so that whoever comes after us knows whose doing it is */
        if (authorize(u, device, fd, false))
                tell(u, device, HW_USB_DENIED);
}

static void settle_device(struct hw_usb *u, struct hw_usb_device *device, int fd, bool in_use, bool enforces) {
        const bool refused = enforces && device->verdict.action == HW_USB_BLOCK;

        device->spared[0] = 0;
        if (in_use && device->hand == HW_USB_OTHERS)
                device->hand = HW_USB_NOBODY;
        if (refused && in_use)
                take(u, device, fd);
        else if (refused && device->hand == HW_USB_OURS)
                tell(u, device, HW_USB_DENIED);
        else if (!refused) {
                if (!in_use && device->hand == HW_USB_OURS && authorize(u, device, fd, true))
                        device->hand = HW_USB_NOBODY;
                tell(u, device, device->verdict.action == HW_USB_ALLOW ? HW_USB_UNTOLD : HW_USB_AUDITED);
        }
}

/* One that is met for the first time and is not in use: `gated` says that our gates keep it out, and nobody else. */
static struct hw_usb_device *meet(struct hw_usb *u, const char *place, bool in_use, bool gated) {
        struct hw_usb_device *device;
        char number[16];

        if (hw_usb_attribute(u, place, "devnum", number, sizeof number) < 0)
                return NULL; /* it went */
        device = find_device(u, place, number);
        if (!device) {
                device = hw_usb_add(u, place, number);
                if (!device) {
                        fault(u, "more than %d devices", HW_USB_DEVICES_MAX);
                        return NULL;
                }
                device->hand = in_use ? HW_USB_NOBODY : gated ? HW_USB_OURS : HW_USB_OTHERS;
        } else if (!in_use && device->hand == HW_USB_NOBODY)
                device->hand = HW_USB_OTHERS;
        device->is_present = true;
        return device;
}

struct pass {
        const struct hw_usb_rules *rules; /* NULL: it is only seen who is there */
        bool enforces, gated, settles;
};

/*
 * The file that lets a device in is opened first: it stays that device's, whatever is plugged in there meanwhile.
 */
static void visit(struct hw_usb *u, const char *place, const struct pass *pass) {
        _cleanup_close_ int fd = hw_usb_open(u, place, "authorized", O_RDWR);
        struct hw_usb_device *device;
        char value[4] = "";

        if (fd < 0 || pread(fd, value, sizeof value - 1, 0) < 1)
                return; /* it went */
        device = meet(u, place, value[0] != '0', pass->gated);
        if (!device || !pass->settles)
                return;
        if (!device->dev[0])
                read_device(u, device);
        device->verdict = (struct hw_usb_verdict){ 0 };
        if (pass->rules)
                device->verdict = hw_usb_judge(pass->rules, device->is_readable ? &device->descriptors : NULL,
                                               hw_usb_level(place));
        settle_device(u, device, fd, value[0] != '0', pass->enforces);
}

static void visit_all(struct hw_usb *u, DIR *bus, const struct pass *pass) {
        const struct dirent *entry;

        for (size_t i = 0; i < u->n; i++)
                u->devices[i].is_present = false;
        while (bus && (entry = readdir(bus)))
                if (hw_usb_level(entry->d_name) > 0)
                        visit(u, entry->d_name, pass);
        if (bus)
                rewinddir(bus);
}

/* Those that went: the next at that place is another. Without rules only what is still to be given back counts. */
static void forget(struct hw_usb *u, bool has_rules) {
        size_t kept = 0;

        for (size_t i = 0; i < u->n; i++)
                if (u->devices[i].is_present && (has_rules || u->devices[i].hand == HW_USB_OURS))
                        u->devices[kept++] = u->devices[i];
        u->n = kept;
}

static bool is_controller(const char *name) {
        return strncmp(name, "usb", 3) == 0 && strspn(name + 3, "0123456789") == strlen(name + 3);
}

static DIR *open_bus(const struct hw_usb *u) {
        char path[4096];

        (void)snprintf(path, sizeof path, "%s/bus/usb/devices", u->sysfs);
        return opendir(path);
}

static void settle_gates(struct hw_usb *u, DIR *bus, bool wanted) {
        const struct dirent *entry;

        u->bus = false;
        if (wanted)
                close_gate(u, HW_USB_MODULE);
        else
                open_gates(u);
        while (bus && (entry = readdir(bus))) {
                if (!is_controller(entry->d_name))
                        continue;
                u->bus = true;
                if (wanted)
                        close_gate(u, entry->d_name);
        }
        if (bus)
                rewinddir(bus);
}

void hw_usb_settle(struct hw_usb *u, const struct hw_usb_rules *rules, enum hw_mode mode) {
        _cleanup_closedir_ DIR *bus = NULL;
        const bool enforces = mode == HW_MODE_ENFORCE;
        struct pass pass = { .gated = u->n_gates > 0 };

        u->fault[0] = 0;
        if (mode == HW_MODE_OFF)
                rules = NULL;
        if (!rules && !pass.gated && u->n == 0)
                return; /* nothing was asked for, and nothing is to be given back */
        bus = open_bus(u);
        visit_all(u, bus, &pass); /* what is kept out before the gates close is kept out by others */
        settle_gates(u, bus, rules && rules->blocks && enforces);
        pass = (struct pass){ rules, enforces, pass.gated || u->n_gates > 0, true };
        visit_all(u, bus, &pass);
        forget(u, rules != NULL);
        hw_usb_save(u);
}

int hw_usb_release(const char *sysfs, const char *state_dir) {
        _cleanup_close_ int dirfd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct hw_usb u = { 0 };

        if (dirfd < 0)
                return errno == ENOENT ? 0 : -errno;
        hw_usb_init(&u, sysfs, dirfd);
        hw_usb_settle(&u, NULL, HW_MODE_OFF);
        hw_usb_close(&u);
        if (!u.fault[0])
                return 0;
        hw_error("USB is not as before fault=%s", u.fault);
        return -EIO;
}
