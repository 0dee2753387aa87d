/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf-held.h"
#include "clean.h"
#include "clock.h"
#include "fake-host.h"
#include "held.h"
#include "jobs.h"
#include "messages.h"
#include "samples.h"
#include "state.h"

/* What the daemon does while all that is open on the host is looked at. */

#define CLIENT 1

static struct hw_options options;
static struct hw_daemon d;
static struct hw_client *const client = &d.server.clients[0];
static char dir[64], securityfs[80];
static int files[2], maps[2]; /* pipes: as the kernel does, they have nothing to tell, again and again, until they are closed */

static void begin(void) {
        strcpy(dir, "/tmp/hostward-cover-XXXXXX");
        CHECK(mkdtemp(dir));
        make_host(dir, securityfs, sizeof securityfs);
        options = (struct hw_options){ .dropin_dir = "/nonexistent", .securityfs = securityfs, .sysfs = dir,
                                       .state_dir = dir };
        start_daemon(&d, &options, dir);
        d.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        d.table = sample_table(1, "11");
        d.table->bpf = slice("rules");
        d.held_loads = d.told_loads = d.cut_loads = UINT64_MAX;
        *client = (struct hw_client){ .id = CLIENT, .fd = -1, .privileged = true };
        CHECK(pipe2(files, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(maps, O_CLOEXEC | O_NONBLOCK) == 0);
}

/* A job that has come as far as that. */
static void walk(void) {
        d.jobs.running = (struct hw_job){ .kind = HW_JOB_RECHECK, .client = CLIENT, .request = 7, .covers = true };
        hw_cover_walk(&d, files[0], maps[0]);
        if (!d.walk)
                hw_jobs_covered(&d);
}

static void let_it_end(void) {
        struct epoll_event event;

        CHECK(close(files[1]) == 0 && close(maps[1]) == 0);
        CHECK(epoll_wait(d.epoll_fd, &event, 1, 10000) == 1 && event.data.u64 == HW_ON_HELD);
        hw_cover_walked(&d);
        CHECK(!d.walk);
}

static void end(void) {
        CHECK(!d.walk && d.jobs.running.kind == HW_JOB_NONE && d.jobs.n_waiting == 0);
        hw_buffer_free(&client->out);
        (void)close(d.epoll_fd);
        stop_daemon(&d);
        remove_host(dir);
}

static bool state_has(const char *what) {
        struct hw_buffer json = { 0 };
        bool has;

        hw_state_write(&d, &json);
        has = memmem(json.data, json.len, what, strlen(what)) != NULL;
        hw_buffer_free(&json);
        return has;
}

static bool is_awaited(void) {
        return state_has("\"awaited\":true");
}

/* The type of the first answer since the last call, 0: there is none. */
static unsigned int answer(void) {
        struct hw_header header = { 0 };

        CHECK(client->out.len == 0 || hw_header_parse(client->out.data, &header) == 0);
        hw_buffer_free(&client->out);
        return header.type;
}

static unsigned int ask(uint16_t type) {
        const struct hw_header header = { .type = type, .request = 8 };

        CHECK(hw_messages_handle(client, &header, (struct hw_slice){ 0 }, &d) == 0);
        return answer();
}

static void nobody_waits_for_a_walk_but_who_asked_what_is_in_force(void) {
        const uint64_t began = hw_now_ms();

        begin();
        walk();
        CHECK(is_awaited() && answer() == 0);
        CHECK(ask(HW_MSG_STATUS) == HW_MSG_STATUS_OK);
        CHECK(ask(HW_MSG_UNLOAD) == HW_MSG_DONE && d.memory.hold == HW_HOLD_UNLOADED);
        CHECK(hw_now_ms() - began < 1000 && d.walk && d.jobs.running.kind == HW_JOB_RECHECK);
        let_it_end();
        CHECK(answer() == HW_MSG_STATUS_OK && !is_awaited());
        end();
}

static void put_holder(pid_t pid) {
        struct {
                struct hw_open_file head;
                char path[4];
        } record = { .head = { .tgid = (uint32_t)pid, .path_len = 4, .comm = "holder" }, .path = { '/', 's', 'r', 'v' } };

        CHECK(write(files[1], &record, sizeof record.head + 4) == (ssize_t)(sizeof record.head + 4));
}

static pid_t start_holder(void) {
        const pid_t pid = fork();

        if (pid == 0) {
                (void)close(files[1]);
                (void)close(maps[1]);
                (void)pause();
                _exit(0);
        }
        CHECK(pid > 0);
        put_holder(pid);
        return pid;
}

static void end_holder(pid_t pid, bool killed) {
        siginfo_t ended = { 0 };

        CHECK(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT | (killed ? 0 : WNOHANG)) == 0);
        CHECK((ended.si_pid == pid) == killed);
        CHECK((killed || kill(pid, SIGKILL) == 0) && waitpid(pid, NULL, 0) == pid);
}

static void who_has_open_what_a_rule_refuses_is_told_and_killed_once_it_is_through(void) {
        pid_t holder;

        begin();
        d.table->kill_holders = 1;
        holder = start_holder();
        walk();
        CHECK(is_awaited() && answer() == 0);
        let_it_end();
        CHECK(answer() == HW_MSG_STATUS_OK && !is_awaited());
        CHECK(d.held == 1 && d.held_loads == d.loads && state_has(" holder\""));
        end_holder(holder, true);
        end();
}

static void nobody_is_killed_for_a_rule_set_that_has_gone(void) {
        pid_t holder;

        begin();
        d.table->kill_holders = 1;
        holder = start_holder();
        walk();
        d.loads++;
        let_it_end();
        CHECK(d.held_loads == d.loads && d.held == 0 && answer() == HW_MSG_STATUS_OK);
        end_holder(holder, false);
        end();
}

static void who_has_a_host_rechecked_is_told_what_a_new_walk_found(void) {
        begin();
        d.held_loads = d.loads;
        d.held = 1;
        walk();
        CHECK(!is_awaited() && answer() == 0);
        let_it_end();
        CHECK(answer() == HW_MSG_STATUS_OK && d.held == 0);
        end();
}

static void one_that_does_not_end_is_waited_for_no_longer_than_its_deadline(void) {
        begin();
        walk();
        CHECK(d.walk->deadline > hw_now_ms() + 10000);
        hw_cover_expired(&d);
        CHECK(d.cut_loads == d.loads && !is_awaited() && answer() == HW_MSG_STATUS_OK && d.events.n == 1);
        hw_cover(&d);
        CHECK(d.walk && d.events.n == 1);
        d.loads++; /* and what is loaded then waits as long */
        CHECK(is_awaited() && d.walk->deadline > hw_now_ms() + 10000);
        hw_cover_expired(&d);
        CHECK(!is_awaited() && d.events.n == 2);
        let_it_end();
        CHECK(d.held_loads == d.loads);
        end();
}

static void one_that_cannot_begin_is_told_as_one_that_did_not_see_all(void) {
        begin();
        put_holder(getpid());
        walk();
        let_it_end();
        CHECK(d.held == 1 && answer() == HW_MSG_STATUS_OK);
        d.loads++;
        files[0] = -EPERM;
        maps[0] = -EPERM;
        walk();
        CHECK(d.held == 0 && d.cut_loads == d.loads && !is_awaited() && answer() == HW_MSG_STATUS_OK);
        end();
}

int main(void) {
        TEST(nobody_waits_for_a_walk_but_who_asked_what_is_in_force);
        TEST(who_has_open_what_a_rule_refuses_is_told_and_killed_once_it_is_through);
        TEST(nobody_is_killed_for_a_rule_set_that_has_gone);
        TEST(who_has_a_host_rechecked_is_told_what_a_new_walk_found);
        TEST(one_that_does_not_end_is_waited_for_no_longer_than_its_deadline);
        TEST(one_that_cannot_begin_is_told_as_one_that_did_not_see_all);
        return 0;
}
