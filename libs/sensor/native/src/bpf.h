/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SENSOR_BPF_H
#define HOSTWARD_SENSOR_BPF_H
#include "audit-record.h"
#include "coverage.h"
#include "hostward-bpf.h"
#include "table.h"

#define HW_BPF_LINKS_MAX 64
/* The host's mounts, whatever namespace the reader was put into. */
#define HW_MOUNTINFO "/proc/1/mountinfo"

typedef void (*hw_bpf_handler)(const struct hw_audit_record *record, void *userdata);
/* Over what is open, see bpf/held.bpf.h; in the order of the skeleton. */
enum hw_bpf_iterator { HW_BPF_OWN_FILES, HW_BPF_HELD_FILES, HW_BPF_HELD_MAPS, HW_BPF_ITERATORS };

/*
 * The BPF enforcer: programs, their maps and the rule set in force, all pinned below <bpffs>/hostward/BUILD-SIZE, so that
 * they outlive the daemon. What is pinned by a program of the same build is taken over; another build's is replaced:
 * the new programs know the rule set and are attached before the old ones are let go. The daemon holds the links too, so
 * that removing the pins alone opens nothing.
 */
struct hw_bpf {
        const char *bpffs;
        unsigned int shift; /* size class of the programs that are attached, 0: none are */
        int rules, mounts, bindings, host, losses, events, throttle, table; /* maps; table: the inner one in force, or -1 */
        int queries; /* program that is attached to the cgroups */
        int iterators[HW_BPF_ITERATORS]; /* links */
        int links[HW_BPF_LINKS_MAX];
        size_t n_links;
        uint64_t generation; /* of the rule set in force; 0: none */
        size_t bound; /* files with several names that it counts for by each */
        char by_path_alone[HW_COVERAGE_TEXT]; /* which of them it does not count for so, and why; empty: none is known of */
        bool guarded; /* hw_bpf_guard() was asked for */
        int mountinfo; /* readable by EPOLLPRI after each change of mounts */
        size_t left_out; /* mounts by which files have no name, as last told */
        uint64_t *consumer;       /* of the ring */
        const uint8_t *ring;      /* producer's page, then the data twice */
        size_t ring_bytes;
        struct hw_throttle *places; /* of the throttle, shared with the programs */
        uint64_t lost[HW_LOSSES]; /* told in this life */
        uint64_t carried[HW_LOSSES]; /* by programs that were let go, not told yet */
        hw_bpf_handler handler; /* of what is left to read when programs are let go */
        void *userdata;
};

/* An empty one: nothing is attached. `handler` gets each record. */
void hw_bpf_init(struct hw_bpf *b, const char *bpffs, hw_bpf_handler handler, void *userdata);
/* Lets go of the descriptors; what is pinned stays in force. */
void hw_bpf_close(struct hw_bpf *b);

/* Takes over what an earlier life pinned. 0, or -ENOENT when there is nothing of this build. */
int hw_bpf_adopt(struct hw_bpf *b);

/*
 * Puts a table in the place of the one in force by one pointer, in that mode. Loads and attaches the programs first if
 * there are none or the table is too large for them. On failure what was in force stays.
 */
int hw_bpf_swap(struct hw_bpf *b, struct hw_slice table, enum hw_mode mode);

/* Reads back whether that table in that mode is what the programs judge by: 0, -ESTALE, or another errno. */
int hw_bpf_verify(const struct hw_bpf *b, struct hw_slice table, enum hw_mode mode);

/* Ends enforcement: programs are detached and every pin of ours is removed, also those of an earlier life. */
void hw_bpf_unload(struct hw_bpf *b);

/* From now on this process is the sensor that the programs guard (bpf/guard.h), until it ends. */
int hw_bpf_guard(struct hw_bpf *b);

/*
 * Waits until no program looks at what was taken out of a map or replaced in it any more: the kernel gives the room of an
 * entry to the next one at once, and a program that still reads it would take one file for another.
 */
int hw_bpf_wait(const struct hw_bpf *b);

/* Tells the programs where filesystems are mounted now. */
int hw_bpf_mounts(struct hw_bpf *b);

/* bpf-pins.c */

/*
 * Pins what is not pinned, in the place of what an earlier life left under its name, and removes every other pin of ours:
 * programs that stayed attached by it would go on with their own rule set. How many were amiss, or a negative errno.
 */
int hw_bpf_repin(struct hw_bpf *b);
/* In the place of what an earlier life may have left under that name: 0 or a negative errno. */
int hw_bpf_pin_as(const struct hw_bpf *b, int fd, const char *name);
/* Opens what is pinned for the size class; a descriptor of what is not there is below 0. */
void hw_bpf_open_pins(struct hw_bpf *b);
void hw_bpf_unpin_all(const struct hw_bpf *b);

/* bpf-ring.c */

/* Maps the ring and the throttle, which are shared with the programs: 0, or a negative errno with nothing mapped. */
int hw_bpf_map(struct hw_bpf *b);
void hw_bpf_unmap(struct hw_bpf *b);
/* Reads what is there. `subjects`: the table's names of subjects. */
void hw_bpf_read(struct hw_bpf *b, char *const *subjects, size_t n_subjects);
/* The path of a program of which a record was read before, by its exec id. */
void hw_bpf_recall_program(struct hw_actor *a);

/* bpf-record.c: what a record of the programs says; false: it is none. `actor` is what `ret` will point to. */
bool hw_bpf_record(uint64_t generation, struct hw_slice data, char *const *subjects, size_t n_subjects,
                   struct hw_actor *actor, struct hw_audit_record *ret);

/*
 * bpf-throttle.c: tells the numbers of what was suppressed where no record followed that would: at once with `all`,
 * else once the process is quiet. Whether there are more to come.
 */
bool hw_bpf_tell_suppressed(struct hw_bpf *b, char *const *subjects, size_t n_subjects, bool all);
/* bpf-loss.c: what was lost since the last call, by cause; true if anything was. */
bool hw_bpf_poll_lost(struct hw_bpf *b, uint64_t ret[HW_LOSSES]);
const char *hw_loss_name(unsigned int cause); /* as in SensorState.losses.bpf */
const char *hw_loss_words(unsigned int cause);

/* bpf-cgroups.c */
#define HW_CGROUPS "/sys/fs/cgroup"
/* The root of all cgroups, where queries to DNS are judged; -EOPNOTSUPP where there is no cgroup v2. */
int hw_bpf_cgroups(void);
/* Whether somebody detached what judges them. */
bool hw_bpf_is_detached(const struct hw_bpf *b);
/* Attaches it again; hw_bpf_repin() is to follow. How many there were, or a negative errno. */
int hw_bpf_attach_again(struct hw_bpf *b);

/* bpf-syscall.c: 0 or more, or a negative errno. */
int hw_bpf_map_create(unsigned int type, size_t key, size_t value, unsigned int entries);
int hw_bpf_map_update(int fd, const void *key, const void *value);
int hw_bpf_map_lookup(int fd, const void *key, void *ret);
int hw_bpf_map_delete(int fd, const void *key);
int hw_bpf_map_next(int fd, const void *key, void *ret);
int hw_bpf_map_freeze(int fd);
int hw_bpf_map_id(int fd);
/* Whether both are descriptors of one map, program or link, given that they are of a kind. */
bool hw_bpf_is_same(int a, int b);
int hw_bpf_pin(int fd, const char *path);
struct bpf_link_info;
int hw_bpf_link_info(int fd, struct bpf_link_info *ret);
int hw_bpf_link_create(int program, int target, unsigned int type);
int hw_bpf_get(const char *path);
/* A descriptor to read one run of an iterator from, given by its link. */
int hw_bpf_iterator(int link);
/* Descriptors that can only read, which the programs leave to every root. */
int hw_bpf_get_to_read(const char *path);
int hw_bpf_map_to_read(uint32_t id);

/* bpf-open-files.c */
typedef void (*hw_open_file_handler)(const struct hw_open_file *file, const char *path, void *userdata);
/*
 * One run of an iterator over open files, given by its link, record by record: 0, -ETIME where the time was up before
 * its end, or another negative errno. What was handed on before that is true.
 */
int hw_bpf_iterate(int link, uint64_t time_ms, hw_open_file_handler handler, void *userdata);
/* The same of what can be read from a descriptor. */
int hw_bpf_read_open_files(int fd, uint64_t time_ms, hw_open_file_handler handler, void *userdata);

/* bpf-loaded.c */
#define HW_BPF_SIZE_CLASSES 2
extern const unsigned int hw_bpf_size_classes[HW_BPF_SIZE_CLASSES]; /* log2 of bytes */
void hw_bpf_pin_path(const char *bpffs, unsigned int shift, const char *name, char *ret, size_t size);
/*
 * What the programs of this build judge by now, read by whoever is root beside the daemon: struct hw_element with
 * *ret_bytes bytes, to be freed. 0, -ENOENT when nothing of this build is loaded, or another negative errno.
 */
int hw_bpf_read_loaded(const char *bpffs, struct hw_element **ret, size_t *ret_bytes);

/* bpf-programs.c */
struct hw_bpf_object {
        int rules, mounts, bindings, host, losses, events, throttle;
        int queries;
        int iterators[HW_BPF_ITERATORS];
        uint32_t map_ids[HW_HOST_MAPS];
        int links[HW_BPF_LINKS_MAX];
        size_t n_links;
};
#define HW_BPF_SMALL 20u /* size classes of the programs, log2 of bytes */
#define HW_BPF_LARGE 24u
/* Loads the programs of a size class, lets `prepare` fill their maps, then attaches them. */
int hw_bpf_object_load(unsigned int shift, int (*prepare)(struct hw_bpf_object *o, void *userdata), void *userdata,
                       struct hw_bpf_object *ret);
void hw_bpf_object_close(struct hw_bpf_object *o);
size_t hw_bpf_element_bytes(unsigned int shift);
/* What libbpf warns of goes to our log. */
void hw_bpf_log_libbpf(void);
/* How many programs there are beside the iterators. */
size_t hw_bpf_object_links(void);

#endif
