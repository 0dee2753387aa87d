/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_USB_SPARE_H
#define HOSTWARD_USB_SPARE_H
#include <stddef.h>

/* Why the host would be lost without a device; NULL where it would not. */
const char *hw_usb_needed(const char *sysfs, const char *place);

#endif
