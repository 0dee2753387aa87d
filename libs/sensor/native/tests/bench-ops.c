/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meter of `bench sensor`, for a guest: built statically by the bench, in none of the Makefile's targets.
 *
 *   bench-ops ops FOLDER   ns of each operation: the best of many short batches, all operations in turn, so that what
 *                          else the machine does hits all of them and spoils only some batches
 *   bench-ops kernel       what programs of BPF-LSM and all BPF maps of the kernel cost: bytes that are locked
 *   bench-ops true         does nothing: the program that is executed
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 20

static char file_path[PATH_MAX], new_path[PATH_MAX], object_path[PATH_MAX], program[PATH_MAX];
static int file_fd, udp_fd;

static void must(bool ok, const char *what) {
        if (ok)
                return;
        perror(what);
        exit(1);
}

static void open_close(void) {
        int fd = open(file_path, O_RDONLY | O_CLOEXEC);

        must(fd >= 0, "open");
        (void)close(fd);
}

static void read_byte(void) {
        char c;

        must(pread(file_fd, &c, 1, 0) == 1, "read");
}

static void write_byte(void) {
        must(pwrite(file_fd, "x", 1, 0) == 1, "write");
}

static void create_unlink(void) {
        int fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        must(fd >= 0, "create");
        (void)close(fd);
        must(unlink(new_path) == 0, "unlink");
}

static void stat_file(void) {
        struct stat st;

        must(stat(file_path, &st) == 0, "stat");
}

static void wait_for(pid_t pid) {
        int status;

        must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "child");
}

static void fork_wait(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        wait_for(pid);
}

static void exec_wait(void) {
        char *const arguments[] = { program, (char *)"true", NULL };
        pid_t pid = vfork();

        if (pid == 0) {
                (void)execv(program, arguments);
                _exit(1);
        }
        wait_for(pid);
}

static void make_socket(void) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        must(fd >= 0, "socket");
        (void)close(fd);
}

static void connect_loopback(void) {
        const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        must(connect(udp_fd, (const struct sockaddr *)&to, sizeof to) == 0, "connect");
}

/* As a compiler does for one file: a process, headers looked for in vain and found, read, an object that takes its name. */
#define HEADERS 30
#define BLOCK 4096
static void compile_one(void) {
        char missing[PATH_MAX + 8], block[BLOCK];

        exec_wait();
        for (int i = 0; i < HEADERS; i++) {
                struct stat st;
                int fd;

                (void)snprintf(missing, sizeof missing, "%s.%d", file_path, i);
                must(stat(missing, &st) < 0, "a header that is not there");
                fd = open(file_path, O_RDONLY | O_CLOEXEC);
                must(fd >= 0 && fstat(fd, &st) == 0 && read(fd, block, sizeof block) > 0, "header");
                (void)close(fd);
        }
        {
                const int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

                memset(block, 'o', sizeof block);
                must(fd >= 0 && write(fd, block, sizeof block) == (ssize_t)sizeof block, "object");
                (void)close(fd);
        }
        must(rename(new_path, object_path) == 0 && unlink(object_path) == 0, "object");
}

static const struct {
        const char *name;
        void (*run)(void);
        unsigned int times; /* about 5 ms under emulation */
} operations[] = {
        { "open", open_close, 500 },      { "read", read_byte, 2500 },    { "write", write_byte, 2000 },
        { "create", create_unlink, 40 },  { "stat", stat_file, 1000 },    { "fork", fork_wait, 6 },
        { "exec", exec_wait, 4 },         { "socket", make_socket, 300 }, { "connect", connect_loopback, 1500 },
        { "build", compile_one, 2 },
};
#define N_OPERATIONS (sizeof operations / sizeof operations[0])

static double now_ns(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double batch(size_t op) {
        const double started = now_ns();

        for (unsigned int i = 0; i < operations[op].times; i++)
                operations[op].run();
        return (now_ns() - started) / operations[op].times;
}

static void prepare(const char *folder) {
        cpu_set_t one;

        CPU_ZERO(&one);
        CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &one);
        (void)sched_setaffinity(0, sizeof one, &one);
        (void)snprintf(file_path, sizeof file_path, "%s/file", folder);
        (void)snprintf(new_path, sizeof new_path, "%s/new", folder);
        (void)snprintf(object_path, sizeof object_path, "%s/object", folder);
        must(readlink("/proc/self/exe", program, sizeof program - 1) > 0, "readlink");
        file_fd = open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        must(file_fd >= 0, file_path);
        write_byte();
        udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        must(udp_fd >= 0, "socket");
}

static int measure(const char *folder) {
        double best[N_OPERATIONS];

        prepare(folder);
        for (int b = 0; b <= BATCHES; b++)
                for (size_t op = 0; op < N_OPERATIONS; op++) {
                        const double ns = batch(op);

                        if (b <= 1 || ns < best[op]) /* the first one warms up */
                                best[op] = ns;
                }
        for (size_t op = 0; op < N_OPERATIONS; op++)
                printf("%s %.1f\n", operations[op].name, best[op]);
        return 0;
}

static int bpf(int command, union bpf_attr *attr) {
        return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static uint64_t fdinfo(int fd, const char *key) {
        char path[64], line[256];
        unsigned long long value = 0;
        const size_t len = strlen(key);
        FILE *f;

        (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        f = fopen(path, "re");
        must(f != NULL, path);
        while (fgets(line, sizeof line, f))
                if (strncmp(line, key, len) == 0)
                        value = strtoull(line + len, NULL, 10);
        (void)fclose(f);
        return value;
}

/* Counts what `next` goes through and `get` opens; programs only of BPF-LSM, since systemd has some of other types. */
static void count(const char *what, int next, int get, bool only_lsm) {
        union bpf_attr at = { 0 };
        uint64_t n = 0, bytes = 0;

        while (bpf(next, &at) == 0) {
                union bpf_attr which = { .prog_id = at.next_id };
                const int fd = bpf(get, &which);

                at.start_id = at.next_id;
                if (fd < 0)
                        continue;
                if (!only_lsm || fdinfo(fd, "prog_type:") == BPF_PROG_TYPE_LSM) {
                        n++;
                        bytes += fdinfo(fd, "memlock:");
                }
                (void)close(fd);
        }
        printf("%s %llu\n%s-bytes %llu\n", what, (unsigned long long)n, what, (unsigned long long)bytes);
}

int main(int argc, char **argv) {
        if (argc == 3 && strcmp(argv[1], "ops") == 0)
                return measure(argv[2]);
        if (argc == 2 && strcmp(argv[1], "true") == 0)
                return 0;
        if (argc != 2 || strcmp(argv[1], "kernel") != 0)
                return 2;
        count("programs", BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID, true);
        count("maps", BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID, false);
        return 0;
}
