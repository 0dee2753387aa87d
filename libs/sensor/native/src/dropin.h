/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_DROPIN_H
#define HOSTWARD_DROPIN_H
#include "table.h"

#define HW_DROPIN_FILE "50-hostward.conf"

/*
 * A unit that names an AppArmor profile of its own, or whose program one attaches to, needs
 * `AppArmorProfile=hostward//&X`, or it escapes ours (D9); one with a program that may not be started names a profile
 * that does not exist. A drop-in can make systemd run anything as root, and the compiler that writes it reads what strangers wrote: so the
 * content may hold comments, [Service] and one AppArmorProfile= line, nothing else.
 */
bool hw_dropin_is_sound(const char *unit, const char *content);

/* Told of each file that was not as the table asks: "was removed", "was changed" or "was put there". */
typedef void hw_dropin_told(const char *unit, const char *what, void *userdata);

/*
 * Makes the files under dir (/etc/systemd/system) those of the table in a mode, removes our others; writes nothing where
 * all is so. 0, or the last errno with the unit. Only while rules block does a unit not start.
 */
int hw_dropins_write(const char *dir, const struct hw_table *t, enum hw_mode mode, hw_dropin_told *tell,
                     void *userdata, const char **ret_failed);

#endif
