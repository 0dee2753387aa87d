/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_USB_H
#define HOSTWARD_USB_H
#include "events.h"
#include "table.h"
#include "usb-rules.h"

/*
 * USB devices, whoever else enforces. A device that may not be used is one that the kernel has not authorised: it binds
 * no driver to it. While a rule refuses devices every controller is gated (authorized_default is 0), so that nothing
 * that comes is used before it was judged, whether or not we live; what is taken is given back when no rule asks for it.
 */
#define HW_USB_DEVICES_MAX 1024
#define HW_USB_GATES_MAX 128
#define HW_USB_PLACE_MAX 32
#define HW_USB_WORDS_MAX 256

/* Who keeps a device out of use. */
enum hw_usb_hand { HW_USB_NOBODY, HW_USB_OURS, HW_USB_OTHERS };

enum hw_usb_told { HW_USB_UNTOLD, HW_USB_AUDITED, HW_USB_SPARED, HW_USB_DENIED };

struct hw_usb_device {
        char place[HW_USB_PLACE_MAX], number[16], dev[16], serial[64];
        struct hw_usb_descriptors descriptors;
        bool is_readable, is_present;
        enum hw_usb_hand hand;
        enum hw_usb_told told;
        struct hw_usb_verdict verdict;
        char spared[HW_USB_WORDS_MAX]; /* why it stays in use though a rule refuses it; empty: it does not */
};

/* What a controller did with new devices before us. */
struct hw_usb_gate {
        char name[HW_USB_PLACE_MAX], before[16];
};

struct hw_usb {
        int dirfd; /* of the sensor's files */
        const char *sysfs;
        int events; /* the kernel's messages, -1: they cannot be read */
        bool bus;
        struct hw_usb_device *devices;
        size_t n;
        struct hw_usb_gate gates[HW_USB_GATES_MAX]; /* those that are closed */
        size_t n_gates;
        char fault[HW_USB_WORDS_MAX]; /* of the last time; empty: everything is as it should be */
        uint32_t saved; /* CRC-32 of what was saved last */
        void (*tell)(const struct hw_usb_device *device, enum hw_usb_told what, void *userdata);
        void (*drift)(const char *what, void *userdata);
        void *userdata;
};

void hw_usb_init(struct hw_usb *u, const char *sysfs, int dirfd);
void hw_usb_close(struct hw_usb *u);
/* True when a device came or went, or may have: what is waiting is read. */
bool hw_usb_read(struct hw_usb *u);
/* Makes the bus what the rules ask for, NULL: there are none; and finds what is not so. */
void hw_usb_settle(struct hw_usb *u, const struct hw_usb_rules *rules, enum hw_mode mode);
/* Gives back what a daemon that runs no more left taken; a negative errno where not everything could be. */
int hw_usb_release(const char *sysfs, const char *state_dir);

#endif
