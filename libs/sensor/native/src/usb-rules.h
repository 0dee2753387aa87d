/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_USB_RULES_H
#define HOSTWARD_USB_RULES_H
#include "buffer.h"

/* What rules say of a USB device, and which decides. Pure: the bytes of a device may be anybody's. */

/* From the mildest to the strictest: of several functions of a device the strictest verdict is the device's. */
enum hw_usb_action { HW_USB_ALLOW, HW_USB_AUDIT, HW_USB_BLOCK };

#define HW_USB_ANY UINT16_MAX
#define HW_USB_RULES_MAX 1025 /* with the list */
#define HW_USB_CLASS_HUB 9u

struct hw_usb_rule {
        enum hw_usb_action action;
        uint32_t rank, rule; /* the greater rank decides; index of the rule in the report */
        uint16_t class, sub_class, protocol, level; /* HW_USB_ANY: each */
        bool spares; /* what keeps the host reachable stays in use */
};

struct hw_usb_rules {
        struct hw_usb_rule list[HW_USB_RULES_MAX];
        size_t n;
        struct hw_usb_rule unlisted; /* for what no rule speaks of, where there is a list */
        bool has_list, blocks;
};

/* 0, or -EBADMSG: HW_TAG_DEVICES as the compiler writes it, every field in its bounds. */
int hw_usb_rules_parse(struct hw_slice text, struct hw_usb_rules *ret);

struct hw_usb_function {
        uint8_t class, sub_class, protocol;
};

#define HW_USB_FUNCTIONS_MAX 64

/* Of a device: what it says that it is, and each different interface of all its configurations. */
struct hw_usb_descriptors {
        uint16_t vendor, product;
        struct hw_usb_function device, functions[HW_USB_FUNCTIONS_MAX];
        size_t n;
};

/* 0, or -EBADMSG for what cannot be read to its end: then nobody knows what the device can be. */
int hw_usb_descriptors_parse(struct hw_slice raw, struct hw_usb_descriptors *ret);

/* How many ports lead to a device, by its place on the bus (`1-2.3` is 2); 0 for what is no device of a port. */
unsigned int hw_usb_level(const char *place);

struct hw_usb_verdict {
        enum hw_usb_action action;
        const struct hw_usb_rule *rule; /* NULL: none speaks of it */
        struct hw_usb_function function; /* of which it was found */
};

/* `descriptors` NULL: they cannot be read, so that any rule that blocks may be meant. */
struct hw_usb_verdict hw_usb_judge(const struct hw_usb_rules *rules, const struct hw_usb_descriptors *descriptors,
                                   unsigned int level);

/* A message of the kernel about a USB device (not one of its interfaces), as it comes from the socket. */
bool hw_usb_event_concerns(struct hw_slice message);

#endif
