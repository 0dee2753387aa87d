/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices a host cannot be without: its own filesystems, its way to the network, its last keyboard. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "bpf-mounts.h"
#include "clean.h"
#include "usb-spare.h"

#define DEPTH_MAX 8 /* of devices that are made of others */
#define ROUTE_GATEWAY 2u
#define EVENTS_REPEAT 0x100000ul /* keys that repeat: a keyboard, and no button of a case */

/* Whether a folder of sysfs lies in the device's own. */
static bool is_below(const char *device, const char *path) {
        _cleanup_free_ char *real = realpath(path, NULL);
        const size_t len = strlen(device);

        return real && strncmp(real, device, len) == 0 && (real[len] == '/' || real[len] == 0);
}

/* What is the device's own, or is made of such: what lies below is named in `folder`, by names that begin with `prefix`. */
static bool is_made_of(const char *device, const char *path, const char *folder, const char *prefix, unsigned int depth) {
        _cleanup_closedir_ DIR *parts = NULL;
        const struct dirent *entry;
        char below[PATH_MAX];

        if (is_below(device, path))
                return true;
        (void)snprintf(below, sizeof below, "%s%s", path, folder);
        parts = depth < DEPTH_MAX ? opendir(below) : NULL;
        while (parts && (entry = readdir(parts))) {
                int n = snprintf(below, sizeof below, "%s%s/%s", path, folder, entry->d_name);

                if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && n > 0 &&
                    (size_t)n < sizeof below && is_made_of(device, below, folder, prefix, depth + 1))
                        return true;
        }
        return false;
}

/* A disk, or one that a volume, an array or an encrypted disk is made of. */
static bool is_disk_on(const char *device, const char *path) {
        return is_made_of(device, path, "/slaves", "", 0);
}

static bool is_system_place(const char *mount_point) {
        static const char *const places[] = { "/",    "/boot", "/boot/efi", "/usr",
                                              "/etc", "/var",  "/var/lib",  "/var/lib/hostward" };

        for (size_t i = 0; i < HW_LEN(places); i++)
                if (strcmp(mount_point, places[i]) == 0)
                        return true;
        return false;
}

/* One line of mountinfo. Filesystems over several disks have a number of their own: then the source says more. */
static bool is_system_disk(const char *sysfs, const char *device, char *line) {
        unsigned int major, minor;
        char place[64], source[512] = "", path[PATH_MAX];
        const char *tail = strstr(line, " - ");
        struct stat st;

        if (!tail || sscanf(line, "%*d %*d %u:%u %*s %63s", &major, &minor, place) != 3 || !is_system_place(place))
                return false;
        (void)sscanf(tail, " - %*s %511s", source);
        if (major == 0 && (stat(source, &st) < 0 || !S_ISBLK(st.st_mode)))
                return false;
        if (major == 0) {
                major = major(st.st_rdev);
                minor = minor(st.st_rdev);
        }
        (void)snprintf(path, sizeof path, "%s/dev/block/%u:%u", sysfs, major, minor);
        return is_disk_on(device, path);
}

static bool holds_system(const char *sysfs, const char *device) {
        _cleanup_fclose_ FILE *mounts = fopen(HW_MOUNTINFO, "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        while (mounts && getline(&line, &size, mounts) > 0)
                if (is_system_disk(sysfs, device, line))
                        return true;
        return false;
}

/* A link, or one that a bridge, a bond or a VLAN is made of. */
static bool is_link_on(const char *sysfs, const char *device, const char *link) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof path, "%s/class/net/%s", sysfs, link);
        return is_made_of(device, path, "", "lower_", 0);
}

/* Any route of IPv4, or one of IPv6 by a gateway: each link has one to its neighbours. */
static bool carries_routes(const char *sysfs, const char *device) {
        _cleanup_fclose_ FILE *v4 = fopen("/proc/net/route", "re"), *v6 = fopen("/proc/net/ipv6_route", "re");
        _cleanup_free_ char *line = NULL;
        unsigned int flags;
        size_t size = 0;
        char link[32];

        while (v4 && getline(&line, &size, v4) > 0)
                if (sscanf(line, "%31s", link) == 1 && is_link_on(sysfs, device, link))
                        return true;
        while (v6 && getline(&line, &size, v6) > 0)
                if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %x %31s", &flags, link) == 2 &&
                    (flags & ROUTE_GATEWAY) && is_link_on(sysfs, device, link))
                        return true;
        return false;
}

static bool is_only_keyboard(const char *sysfs, const char *device) {
        _cleanup_fclose_ FILE *inputs = fopen("/proc/bus/input/devices", "re");
        _cleanup_free_ char *line = NULL;
        char path[PATH_MAX] = "", place[PATH_MAX / 2];
        bool is_own = false;
        size_t size = 0;

        while (inputs && getline(&line, &size, inputs) > 0) {
                if (sscanf(line, "S: Sysfs=%2047s", place) == 1)
                        (void)snprintf(path, sizeof path, "%s%s", sysfs, place);
                if (strncmp(line, "B: EV=", 6) != 0 || !(strtoul(line + 6, NULL, 16) & EVENTS_REPEAT))
                        continue;
                if (!is_below(device, path))
                        return false;
                is_own = true;
        }
        return is_own;
}

const char *hw_usb_needed(const char *sysfs, const char *place) {
        _cleanup_free_ char *device = NULL;
        char path[PATH_MAX];

        (void)snprintf(path, sizeof path, "%s/bus/usb/devices/%s", sysfs, place);
        device = realpath(path, NULL);
        if (!device)
                return NULL;
        if (holds_system(sysfs, device))
                return "a filesystem of the system is mounted from it";
        if (carries_routes(sysfs, device))
                return "the network is reached by it";
        return is_only_keyboard(sysfs, device) ? "it is the only keyboard" : NULL;
}
