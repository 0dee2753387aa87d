/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <stddef.h>

#include "bpf-record.h"
#include "bpf-ring.h"
#include "bpf-throttle.h"
#include "bpf.h"
#include "cgroup.h"
#include "check.h"
#include "clean.h"
#include "clock.h"
#include "events.h"
#include "hostward-table.h"

/* What the daemon makes of the records of its BPF programs, and of what they had no room to tell. */

#define GENERATION 7
#define HEAD offsetof(struct hw_bpf_event, text)

static struct hw_bpf_event event;
static struct hw_audit_record record;
static struct hw_actor actor;
static char hostward[] = "hostward", source[] = "hostward-src-cat";
static char *const subjects[] = { hostward, source };

/* A denial of reading /etc/shadow by cat in /root. */
static size_t denial(void) {
        static const char text[] = "/etc/shadow/usr/bin/cat/root/";

        memset(&event, 0, sizeof event);
        event = (struct hw_bpf_event){ .generation = GENERATION, .start = 5000, .exec = 3, .class = HW_BPF_PATH,
                                       .hook = HW_HOOK_OPEN, .requested = 1, .denied = 1, .rule = 4, .subject = 1,
                                       .pid = 43, .tgid = 42, .uid = 1000, .fsuid = 1001, .ouid = 0,
                                       .loginuid = UINT32_MAX, .comm = "cat", .time = hw_now_ms() * 1000000, .ino = 99,
                                       .dev = 8 << 20 | 1, .suppressed = 6, .tty = "pts0", .parents = 2,
                                       .parent = { { 4000, 2, 40, 0, "bash" }, { 1, 1, 1, 0, "systemd" } },
                                       .path_len = 11, .exe_len = 12, .cwd_len = 6 };
        memcpy(event.text, text, sizeof text);
        return HEAD + sizeof text - 1;
}

static bool read_record(size_t len) {
        uint8_t *exact = malloc(len); /* so that a read beyond it is found */
        bool r;

        CHECK(exact);
        memcpy(exact, &event, len);
        r = hw_bpf_record(GENERATION, (struct hw_slice){ exact, len }, subjects, HW_LEN(subjects), &actor, &record);
        free(exact);
        return r;
}

static void a_denial_without_a_path_says_why(void) {
        (void)denial();
        event.rule = 0;
        event.path_len = event.exe_len = event.cwd_len = 0;
        event.cause = HW_CAUSE_LONG;
        CHECK(read_record(HEAD));
        CHECK(record.denied && record.rule == -1 && record.name[0] == 0 && record.inode == 99);
        CHECK(strstr(record.info, "longer than 4096 bytes"));
        event.cause = 77;
        CHECK(read_record(HEAD) && record.info[0] == 0);
}

static void a_query_is_told_by_the_name_as_people_write_it(void) {
        static const char *const names[][2] = { { "/example/evil/www/", "www.evil.example" }, { "/", "." },
                                                { "/example/", "example" } };

        for (size_t i = 0; i < HW_LEN(names); i++) {
                (void)denial();
                event.class = HW_BPF_QUERY;
                event.hook = HW_HOOK_QUERY;
                event.requested = event.denied = 1u << HW_TBL_QUERY;
                event.path_len = (uint32_t)strlen(names[i][0]);
                event.exe_len = event.cwd_len = 0;
                (void)snprintf(event.text, sizeof event.text, "%s", names[i][0]);
                CHECK(read_record(HEAD + event.path_len));
                CHECK(record.denied && record.rule == 3 && record.ouid == -1);
                CHECK(strcmp(record.name, names[i][1]) == 0 && strcmp(record.operation, "query") == 0);
                CHECK(strcmp(record.requested, "q") == 0 && strcmp(record.denied_mask, "q") == 0);
        }
        event.path_len = 0;
        event.cause = HW_CAUSE_QUERY;
        CHECK(read_record(HEAD) && record.name[0] == 0 && strstr(record.info, "no whole query"));
}

static void a_denial_says_who_acted_on_what_and_where(void) {
        char exec[HW_EXEC_ID_MAX];

        CHECK(read_record(denial()));
        CHECK(record.denied && record.bpf && !record.guard && record.in_force && record.rule == 3);
        CHECK(strcmp(record.name, "/etc/shadow") == 0 && strcmp(record.profile, source) == 0);
        CHECK(record.pid == 42 && record.fsuid == 1001 && record.suppressed == 6 && record.inode == 99);
        CHECK(strcmp(actor.exe, "/usr/bin/cat") == 0 && strcmp(actor.cwd, "/root/") == 0 && actor.uid == 1000);
        CHECK(actor.loginuid == -1 && actor.ppid == 40 && strcmp(actor.tty, "pts0") == 0);
        CHECK(actor.n_parents == 2 && strcmp(actor.parents[1].comm, "systemd") == 0);
        hw_exec_id(5000, 42, 3, exec);
        CHECK(strcmp(actor.exec, exec) == 0);
}

static void a_pid_that_is_used_again_or_runs_another_program_has_another_exec_id(void) {
        char a[HW_EXEC_ID_MAX], b[HW_EXEC_ID_MAX];

        hw_exec_id(5000, 42, 3, a);
        hw_exec_id(6000, 42, 3, b);
        CHECK(strcmp(a, b) != 0);
        hw_exec_id(5000, 42, 4, b);
        CHECK(strcmp(a, b) != 0);
}

static void what_is_refused_by_rules_in_audit_mode_only_is_no_denial(void) {
        const size_t len = denial();

        event.mode = HW_BPF_AUDIT;
        CHECK(read_record(len) && !record.denied && record.denied_mask[0] == 'r');
}

static void a_record_of_another_rule_set_names_no_rule_of_this_one(void) {
        const size_t len = denial();

        event.generation++;
        CHECK(read_record(len) && !record.in_force && record.rule == -1 && strcmp(record.profile, hostward) == 0);
}

static void an_attempt_on_the_sensor_is_of_a_kind_of_its_own(void) {
        (void)denial();
        event.class = HW_BPF_GUARD;
        event.hook = HW_HOOK_GUARD_KILL;
        event.requested = 9;
        CHECK(read_record(HEAD) && record.guard && strcmp(record.operation, "kill") == 0);
        CHECK(strcmp(record.requested, "9") == 0 && record.rule == -1 && !record.profile[0]);
}

static void lengths_that_lie_read_nothing_beyond_the_record(void) {
        uint64_t seed = 42;

        CHECK(!read_record(HEAD - 1));
        for (int i = 0; i < 20000; i++) {
                const size_t len = HEAD + next_random(&seed) % 64;

                (void)denial();
                for (int change = 0; change < 4; change++)
                        ((uint8_t *)&event)[next_random(&seed) % HEAD] = (uint8_t)next_random(&seed);
                event.path_len = next_random(&seed) % 8192;
                CHECK(read_record(len) && strlen(record.name) < len && actor.n_parents <= HW_PARENTS_MAX);
        }
}

static void the_container_is_found_in_the_name_of_its_cgroup(void) {
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        static const struct {
                const char *cgroup, *container;
        } cases[] = {
                { "/system.slice/docker-" ID ".scope", ID },
                { "/docker/" ID, ID },
                { "/machine.slice/libpod-" ID ".scope/container", ID },
                { "/kubepods.slice/cri-containerd-" ID ".scope", ID },
                { "/system.slice/ssh.service", "" },
                { "/docker/" ID "0", "" },
                { "/docker/abc", "" },
                { "", "" },
        };
        char found[65];

        for (size_t i = 0; i < HW_LEN(cases); i++) {
                hw_container_of(cases[i].cgroup, found);
                CHECK(strcmp(found, cases[i].container) == 0);
        }
}

static void of_a_process_that_is_there_proc_tells(void) {
        hw_actor_read(getpid(), &actor);
        CHECK(actor.ppid == getppid() && actor.uid == getuid() && actor.exe[0] == '/' && actor.cwd[0] == '/');
        CHECK(actor.n_parents > 0 && actor.parents[0].pid == actor.ppid && !actor.exec[0]);
        hw_actor_read(4194305, &actor); /* beyond the greatest pid */
        CHECK(actor.ppid == -1 && actor.uid == -1 && !actor.exe[0] && actor.n_parents == 0);
}

static unsigned int told, told_suppressed;

static void count_told(const struct hw_audit_record *r, void *userdata) {
        (void)userdata;
        CHECK(r->denied && r->rule == 3 && !r->name[0] && strcmp(r->actor->exec, "") != 0 && r->info[0]);
        told++;
        told_suppressed += r->suppressed;
}

static void what_was_suppressed_is_told_when_its_process_is_quiet(void) {
        struct hw_throttle *places = calloc(HW_THROTTLE_PLACES, sizeof *places);
        struct hw_bpf b;

        CHECK(places);
        hw_bpf_init(&b, "/nonexistent", count_told, NULL);
        b.places = places;
        b.generation = GENERATION;
        (void)denial();
        places[5] = (struct hw_throttle){ .owner = 1, .since = hw_now_ms() * 1000000, .passed = 40, .suppressed = 30 };
        memcpy(places[5].common, &event, HW_EVENT_COMMON);
        CHECK(hw_bpf_tell_suppressed(&b, subjects, HW_LEN(subjects), false) && told == 0); /* it may go on */
        places[5].since -= 3 * HW_THROTTLE_WINDOW_NS;
        CHECK(!hw_bpf_tell_suppressed(&b, subjects, HW_LEN(subjects), false));
        CHECK(told == 1 && told_suppressed == 29 && places[5].suppressed == 0);
        places[6] = places[5];
        places[6].suppressed = 1;
        places[6].since = hw_now_ms() * 1000000;
        CHECK(!hw_bpf_tell_suppressed(&b, subjects, HW_LEN(subjects), true) && told == 2 && told_suppressed == 29);
        free(places);
}

#define RING 4096u

static uint32_t order[64];
static size_t n_order;

static void note_order(const struct hw_audit_record *r, void *userdata) {
        (void)userdata;
        CHECK(n_order < HW_LEN(order));
        order[n_order++] = r->suppressed;
}

/* A record as the kernel puts it: at a position, twice mapped so that it may run over the end. */
static void put_in_ring(uint8_t *data, uint64_t at, size_t len, uint32_t flags) {
        const uint32_t head[2] = { (uint32_t)len | flags, 0 };

        for (size_t i = 0; i < len + sizeof head; i++) {
                const uint8_t byte = i < sizeof head ? ((const uint8_t *)head)[i] : ((const uint8_t *)&event)[i - sizeof head];
                const size_t place = (size_t)(at + i) % RING;

                data[place] = data[place + RING] = byte;
        }
}

static void the_ring_is_read_in_order_over_its_end_and_waits_for_what_is_being_written(void) {
        const size_t page = (size_t)getpagesize(), len = denial(), step = (len + 8 + 7) & ~(size_t)7;
        uint64_t consumer = 3 * RING - 2 * step;
        uint8_t *ring = calloc(1, page + 2 * RING);
        struct hw_bpf b;

        CHECK(ring && 5 * step < RING);
        hw_bpf_init(&b, "/nonexistent", note_order, NULL);
        b.generation = GENERATION;
        b.ring = ring;
        b.consumer = &consumer;
        b.ring_bytes = RING;
        for (uint32_t i = 0; i < 5; i++) {
                event.suppressed = i;
                put_in_ring(ring + page, consumer + i * step, len,
                            i == 1 ? BPF_RINGBUF_DISCARD_BIT : i == 4 ? BPF_RINGBUF_BUSY_BIT : 0);
        }
        *(uint64_t *)(void *)ring = consumer + 5 * step;
        hw_bpf_read(&b, subjects, HW_LEN(subjects));
        CHECK(n_order == 3 && order[0] == 0 && order[1] == 2 && order[2] == 3);
        put_in_ring(ring + page, consumer, len, 0);
        hw_bpf_read(&b, subjects, HW_LEN(subjects));
        CHECK(n_order == 4 && order[3] == 4 && consumer == *(uint64_t *)(void *)ring);
        free(ring);
}

/* What a handler may come to that ends in other programs: the ring is let go of. */
static void let_go_of_the_ring(const struct hw_audit_record *r, void *userdata) {
        struct hw_bpf *b = userdata;

        CHECK(r->suppressed == 1);
        told++;
        free((void *)b->ring);
        free(b->consumer);
        b->ring = NULL;
        b->consumer = NULL;
}

static void a_ring_that_is_let_go_of_while_it_is_read_is_read_no_further(void) {
        const size_t page = (size_t)getpagesize(), len = denial(), step = (len + 8 + 7) & ~(size_t)7;
        uint8_t *ring = calloc(1, page + 2 * RING);
        struct hw_bpf b;

        CHECK(ring && 2 * step < RING);
        hw_bpf_init(&b, "/nonexistent", let_go_of_the_ring, &b);
        b.generation = GENERATION;
        b.ring = ring;
        b.consumer = calloc(1, sizeof *b.consumer);
        b.ring_bytes = RING;
        CHECK(b.consumer);
        told = 0;
        for (uint32_t i = 1; i <= 2; i++) {
                event.suppressed = i;
                put_in_ring(ring + page, (i - 1) * step, len, 0);
        }
        *(uint64_t *)(void *)ring = 2 * step;
        hw_bpf_read(&b, subjects, HW_LEN(subjects));
        CHECK(told == 1);
}

static void a_program_is_known_by_its_exec_id_after_its_record_was_read(void) {
        struct hw_actor known = { 0 };

        hw_exec_id(5000, 42, 3, known.exec);
        hw_bpf_recall_program(&known);
        CHECK(strcmp(known.exe, "/usr/bin/cat") == 0);
        known = (struct hw_actor){ 0 };
        hw_exec_id(5000, 42, 4, known.exec);
        hw_bpf_recall_program(&known);
        CHECK(!known.exe[0]);
}

static void events_of_a_process_keep_their_order_and_carry_all_that_is_known(void) {
        struct hw_events *events = calloc(1, sizeof *events);
        const struct hw_event *e = NULL;
        uint64_t seq = 0, missed;

        CHECK(events);
        events->dirfd = -1;
        events->next_seq = events->run_begin = 1;
        for (uint32_t i = 1; i <= 100; i++) {
                const size_t len = denial();

                event.suppressed = i;
                CHECK(read_record(len));
                hw_events_add_record(events, &record, 12);
        }
        for (uint32_t i = 1; i <= 100; i++) {
                char wanted[64];

                e = hw_events_after(events, seq, &missed);
                CHECK(e && missed == 0);
                seq = e->seq;
                (void)snprintf(wanted, sizeof wanted, "\"suppressed\":%u,", i);
                CHECK(memmem(e->json.data, e->json.len, wanted, strlen(wanted)));
        }
        CHECK(memmem(e->json.data, e->json.len, "\"device\":\"8:1\",\"inode\":\"99\",\"generation\":\"12\"", 45));
        CHECK(memmem(e->json.data, e->json.len, "\"parents\":[{\"pid\":40,\"comm\":\"bash\",\"exec\":\"", 41));
        hw_events_free(events);
        free(events);
}

int main(void) {
        TEST(a_denial_without_a_path_says_why);
        TEST(a_query_is_told_by_the_name_as_people_write_it);
        TEST(a_denial_says_who_acted_on_what_and_where);
        TEST(a_pid_that_is_used_again_or_runs_another_program_has_another_exec_id);
        TEST(what_is_refused_by_rules_in_audit_mode_only_is_no_denial);
        TEST(a_record_of_another_rule_set_names_no_rule_of_this_one);
        TEST(an_attempt_on_the_sensor_is_of_a_kind_of_its_own);
        TEST(lengths_that_lie_read_nothing_beyond_the_record);
        TEST(the_container_is_found_in_the_name_of_its_cgroup);
        TEST(of_a_process_that_is_there_proc_tells);
        TEST(what_was_suppressed_is_told_when_its_process_is_quiet);
        TEST(the_ring_is_read_in_order_over_its_end_and_waits_for_what_is_being_written);
        TEST(a_ring_that_is_let_go_of_while_it_is_read_is_read_no_further);
        TEST(a_program_is_known_by_its_exec_id_after_its_record_was_read);
        TEST(events_of_a_process_keep_their_order_and_carry_all_that_is_known);
        return 0;
}
