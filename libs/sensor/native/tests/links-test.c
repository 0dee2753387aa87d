/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "dead-mount.h"
#include "links.h"

/* Where links lead, on a host that is a filesystem of this test: needs root and mounts. */

#define SLICE(text) ((struct hw_slice){ (const uint8_t *)(text), sizeof(text) - 1 })

static void a_list_is_names_and_targets_in_turn(void) {
        CHECK(hw_links_are_sound(SLICE("")));
        CHECK(hw_links_are_sound(SLICE("/a\0b\0/c\0\0")));
        CHECK(!hw_links_are_sound(SLICE("/a\0b\0/c\0")));
        CHECK(!hw_links_are_sound(SLICE("/a\0b")));
        CHECK(!hw_links_are_sound(SLICE("a\0b\0")));
        CHECK(!hw_links_are_sound(SLICE("\0\0")));
}

static void a_link_counts_that_came_went_or_leads_elsewhere(void) {
        const struct hw_slice none = SLICE("/bin/nc\0\0"), some = SLICE("/bin/nc\0/etc/nc\0");
        uint64_t other;

        CHECK(hw_links_unlike(none) == 0 && hw_links_unlike(some) != 0);
        CHECK(symlink("/etc/nc", "/bin/nc") == 0);
        CHECK(hw_links_unlike(none) != 0 && hw_links_unlike(some) == 0);
        CHECK(unlink("/bin/nc") == 0 && symlink("/etc/other", "/bin/nc") == 0);
        other = hw_links_unlike(some);
        CHECK(other != 0 && other == hw_links_unlike(some));
        CHECK(unlink("/bin/nc") == 0 && symlink("/etc/third", "/bin/nc") == 0);
        CHECK(hw_links_unlike(some) != 0 && hw_links_unlike(some) != other);
        CHECK(unlink("/bin/nc") == 0 && mkdir("/bin/nc", 0755) == 0);
        CHECK(hw_links_unlike(none) == 0 && hw_links_unlike(some) != 0);
        CHECK(rmdir("/bin/nc") == 0);
}

static void nothing_is_known_of_what_lies_behind_a_link_or_on_another_filesystem(void) {
        CHECK(symlink("x", "/other/link") == 0 && symlink("bin", "/usr") == 0);
        CHECK(hw_links_unlike(SLICE("/other/link\0\0/other/none\0y\0/usr/none\0y\0")) == 0);
        CHECK(hw_links_unlike(SLICE("/other/link\0\0/bin/none\0y\0")) != 0);
}

int main(void) {
        CHECK(private_mounts() == 0 && mount("none", "/run", "tmpfs", 0, NULL) == 0 && mkdir("/run/proc", 0755) == 0);
        CHECK(mount("/proc", "/run/proc", NULL, MS_BIND | MS_REC, NULL) == 0 && chroot("/run") == 0 && chdir("/") == 0);
        CHECK(mkdir("/bin", 0755) == 0 && mkdir("/other", 0755) == 0 && mount("none", "/other", "tmpfs", 0, NULL) == 0);
        TEST(a_list_is_names_and_targets_in_turn);
        TEST(a_link_counts_that_came_went_or_leads_elsewhere);
        TEST(nothing_is_known_of_what_lies_behind_a_link_or_on_another_filesystem);
}
