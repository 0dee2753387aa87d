/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf-loaded.h"
#include "bpf-pins.h"
#include "bpf-programs.h"
#include "bpf-syscall.h"
#include "bpf.h"
#include "check.h"
#include "clean.h"
#include "dead-mount.h"

/*
 * What is pinned after lives that ended half-way, in a bpffs of its own: needs root and bpf(2). Arrays stand for links and
 * programs, so that nothing is attached to this kernel.
 */

#define SHIFT HW_BPF_SMALL
#define LINKS 6u

static char bpffs[] = "/tmp/hostward-pins-XXXXXX";

static int array(void) {
        const int fd = hw_bpf_map_create(BPF_MAP_TYPE_ARRAY, 4, 8, 1);

        CHECK(fd >= 0);
        return fd;
}

static struct hw_bpf begin_life(void) {
        struct hw_bpf b;

        hw_bpf_init(&b, bpffs, NULL, NULL);
        b.shift = SHIFT;
        for (int **fd = (int *[]){ &b.rules, &b.mounts, &b.bindings, &b.host, &b.losses, &b.events, &b.throttle, &b.table,
                                   &b.queries, NULL };
             *fd; fd++)
                **fd = array();
        for (size_t i = 0; i < HW_BPF_ITERATORS; i++)
                b.iterators[i] = array();
        for (b.n_links = 0; b.n_links < LINKS; b.n_links++)
                b.links[b.n_links] = array();
        return b;
}

static const char *path_of(const char *name) {
        static char path[512];

        hw_bpf_pin_path(bpffs, SHIFT, name, path, sizeof path);
        return path;
}

static bool is_pinned(int fd, const char *name) {
        _cleanup_close_ int pinned = hw_bpf_get(path_of(name));

        return pinned >= 0 && hw_bpf_map_id(pinned) == hw_bpf_map_id(fd);
}

static void check_all_are_of(const struct hw_bpf *b) {
        CHECK(is_pinned(b->rules, "rules") && is_pinned(b->mounts, "mounts") && is_pinned(b->bindings, "bindings"));
        CHECK(is_pinned(b->host, "host") && is_pinned(b->losses, "losses") && is_pinned(b->events, "events"));
        CHECK(is_pinned(b->throttle, "throttle") && is_pinned(b->table, "table") && is_pinned(b->queries, "queries"));
        CHECK(is_pinned(b->iterators[HW_BPF_OWN_FILES], "own_files") &&
              is_pinned(b->iterators[HW_BPF_HELD_FILES], "held_files") &&
              is_pinned(b->iterators[HW_BPF_HELD_MAPS], "held_maps"));
        for (size_t i = 0; i < LINKS; i++) {
                char name[32];

                (void)snprintf(name, sizeof name, "link-%zu", i);
                CHECK(is_pinned(b->links[i], name));
        }
}

static void nothing_of_a_life_that_could_not_be_taken_over_stays_pinned(void) {
        struct hw_bpf before = begin_life(), now;

        CHECK(hw_bpf_repin(&before) > 0);
        check_all_are_of(&before);
        CHECK(unlink(path_of("link-4")) == 0);
        hw_bpf_close(&before);
        now = begin_life();
        CHECK(hw_bpf_repin(&now) > 0);
        check_all_are_of(&now);
        CHECK(hw_bpf_repin(&now) == 0);
        hw_bpf_close(&now);
}

static void what_is_pinned_beside_ours_is_removed(void) {
        struct hw_bpf now = begin_life();
        char directory[512], other[600];
        const int stranger = array();

        CHECK(hw_bpf_repin(&now) > 0);
        CHECK(hw_bpf_pin(stranger, path_of("link-40")) == 0 && hw_bpf_pin(stranger, path_of("host_new")) == 0);
        (void)snprintf(directory, sizeof directory, "%s/hostward/of-another-build-24", bpffs);
        (void)snprintf(other, sizeof other, "%s/link-0", directory);
        CHECK(mkdir(directory, 0700) == 0 && hw_bpf_pin(stranger, other) == 0);
        CHECK(hw_bpf_repin(&now) == 0);
        CHECK(access(path_of("link-40"), F_OK) < 0 && access(path_of("host_new"), F_OK) < 0);
        CHECK(access(directory, F_OK) < 0);
        check_all_are_of(&now);
        (void)close(stranger);
        hw_bpf_close(&now);
}

static void a_link_that_was_attached_again_is_pinned_in_the_place_of_the_one_before(void) {
        struct hw_bpf now = begin_life();

        CHECK(hw_bpf_repin(&now) > 0);
        CHECK(close(now.links[2]) == 0);
        now.links[2] = array();
        CHECK(hw_bpf_repin(&now) == 1);
        check_all_are_of(&now);
        hw_bpf_close(&now);
}

int main(void) {
        CHECK(private_mounts() == 0 && mkdtemp(bpffs) && mount("bpf", bpffs, "bpf", 0, NULL) == 0);
        TEST(nothing_of_a_life_that_could_not_be_taken_over_stays_pinned);
        TEST(what_is_pinned_beside_ours_is_removed);
        TEST(a_link_that_was_attached_again_is_pinned_in_the_place_of_the_one_before);
        CHECK(umount2(bpffs, MNT_DETACH) == 0 && rmdir(bpffs) == 0);
        return 0;
}
