/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_USB_FILES_H
#define HOSTWARD_USB_FILES_H
#include "usb.h"

#define HW_USB_MODULE "usbcore"

/* Attributes of sysfs, and what must outlive the daemon. */
/* A file of a device, a controller or, for those to come, the module; a descriptor, or a negative errno. */
int hw_usb_open(const struct hw_usb *u, const char *name, const char *attribute, int flags);
int hw_usb_attribute(const struct hw_usb *u, const char *name, const char *attribute, char *ret, size_t size);
void hw_usb_load(struct hw_usb *u);
void hw_usb_save(struct hw_usb *u);
struct hw_usb_device *hw_usb_add(struct hw_usb *u, const char *place, const char *number);

#endif
