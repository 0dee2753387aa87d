/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clean.h"
#include "clock.h"
#include "coverage.h"
#include "file.h"
#include "probe.h"

#define ATTEMPT_MS 2000
#define END_MS 500
#define SILENCES_MAX 6 /* the prober has in all, in times that it may say nothing */
#define ENDED_MAX 8
#define RECENT_MS 10000

const char *hw_probe_result_text(enum hw_probe_result result) {
        static const char *const texts[] = { "inconclusive", "blocked", "allowed" };

        return texts[result];
}

/* From prober to daemon; smaller than PIPE_BUF, so each arrives whole. */
struct notice {
        enum { NOTICE_PID, NOTICE_ANSWER } kind;
        int32_t index_or_pid, result, error;
};

/* ---- the child that tries ---- */

/*
 * What to open is a file or, for reading, a directory: opening a device or a FIFO may do something. Held before it is looked
 * at, and opened as what is held: whoever owns the folder may put another thing under the name at any moment.
 */
static int hold(const struct hw_probe *probe) {
        const int fd = open(probe->path, O_PATH | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || (probe->kind == HW_PROBE_READ && S_ISDIR(st.st_mode))))
                return fd;
        (void)close(fd);
        return -ECANCELED;
}

static int attempt_open(const struct hw_probe *probe) {
        int flags = (probe->kind == HW_PROBE_READ ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        _cleanup_close_ int held = hold(probe), fd = -1;
        char path[32];

        if (held < 0)
                return -held;
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", held);
        fd = open(path, flags);
        return fd < 0 ? errno : 0;
}

static int attempt_exec(const struct hw_probe *probe) {
        char *argv[] = { probe->path, NULL }, *envp[] = { NULL };

        (void)execve(probe->path, argv, envp);
        return errno;
}

/* What the child reports when it fails before its attempt. */
#define SETUP_FAILED (-1)

static _Noreturn void child(const struct hw_probe *probe, bool in_profile, int go, int result) {
        int32_t error = SETUP_FAILED;
        sigset_t none;
        char byte;

        (void)prctl(PR_SET_NAME, HW_PROBE_COMM);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (read(go, &byte, 1) != 1)
                _exit(1);
        if (probe->kind == HW_PROBE_EXEC && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                goto done;
        if (in_profile && hw_label_enter(probe->profile) < 0)
                goto done;
        error = probe->kind == HW_PROBE_EXEC ? attempt_exec(probe) : attempt_open(probe);
done:
        (void)hw_write_all(result, &error, sizeof error);
        _exit(0);
}

/* ---- the prober ---- */

/* Waits until the child stops or ends, at most until the deadline. 0 when it did neither. */
static pid_t wait_child(pid_t pid, int *ret_status, uint64_t deadline) {
        sigset_t chld;

        (void)sigemptyset(&chld);
        (void)sigaddset(&chld, SIGCHLD);
        for (;;) {
                pid_t got = waitpid(pid, ret_status, WNOHANG | WUNTRACED);
                uint64_t now = hw_now_ms();
                struct timespec left;

                if (got != 0 || now >= deadline)
                        return got;
                left = (struct timespec){ (time_t)((deadline - now) / 1000), (long)((deadline - now) % 1000) * 1000000 };
                (void)sigtimedwait(&chld, NULL, &left);
        }
}

/* A filesystem may hold it past the kill: then it is left to whoever reaps when the prober has ended. */
static void end_child(pid_t pid) {
        int status;

        (void)kill(pid, SIGKILL);
        (void)wait_child(pid, &status, hw_now_ms() + END_MS);
}

/* The child's errno, 0 when it got through, ETIMEDOUT when it is still at it, SETUP_FAILED when nothing can be said. */
static int outcome(const struct hw_probe *probe, pid_t pid, int result) {
        uint64_t deadline = hw_now_ms() + ATTEMPT_MS;
        struct pollfd answer = { .fd = result, .events = POLLIN };
        int32_t error = SETUP_FAILED;
        const int told = poll(&answer, 1, ATTEMPT_MS);
        int status = 0;

        if (told == 0)
                error = ETIMEDOUT;
        else if (told == 1 && read(result, &error, sizeof error) != sizeof error) {
                /* Closed without a word: by the exec, if it stands at the exec stop now. */
                bool stopped = wait_child(pid, &status, deadline) == pid && WIFSTOPPED(status);

                error = probe->kind == HW_PROBE_EXEC && stopped && WSTOPSIG(status) == SIGTRAP ? 0 : SETUP_FAILED;
                if (!stopped && (WIFEXITED(status) || WIFSIGNALED(status)))
                        return error; /* reaped already */
        }
        end_child(pid);
        return error;
}

static int attempt(const struct hw_probe *probe, bool in_profile, int notices) {
        int go[2], result[2], error;
        struct notice notice = { .kind = NOTICE_PID };
        pid_t pid;

        if (pipe2(go, O_CLOEXEC) < 0)
                return SETUP_FAILED;
        if (pipe2(result, O_CLOEXEC) < 0) {
                (void)close(go[0]);
                (void)close(go[1]);
                return SETUP_FAILED;
        }
        pid = fork();
        if (pid == 0) {
                (void)close(go[1]);
                child(probe, in_profile, go[0], result[1]);
        }
        (void)close(go[0]);
        (void)close(result[1]);
        notice.index_or_pid = pid;
        if (pid < 0)
                error = SETUP_FAILED;
        else if (hw_write_all(notices, &notice, sizeof notice) < 0 || write(go[1], "", 1) != 1) {
                end_child(pid);
                error = SETUP_FAILED;
        } else
                error = outcome(probe, pid, result[0]);
        (void)close(go[1]);
        (void)close(result[0]);
        return error;
}

/* What plain permissions say: asked of the kernel without opening anything, since BPF binds this process too. */
static int permitted(const struct hw_probe *probe) {
        static const int modes[] = { [HW_PROBE_READ] = R_OK, [HW_PROBE_WRITE] = W_OK, [HW_PROBE_EXEC] = X_OK };

        return faccessat(AT_FDCWD, probe->path, modes[probe->kind], AT_EACCESS) < 0 ? errno : 0;
}

/* `by_label`: AppArmor enforces, and who is bound is a matter of the label. */
static struct hw_probe_answer run(const struct hw_probe *probe, bool by_label, int notices) {
        struct hw_probe_answer answer = { .result = HW_PROBE_INCONCLUSIVE };
        _cleanup_close_ int held = hold(probe);
        int control, error;

        if (held < 0) {
                answer.error = -held;
                return answer;
        }
        control = by_label ? attempt(probe, false, notices) : permitted(probe);
        if (control != 0) {
                answer.error = control > 0 ? control : ECANCELED;
                return answer;
        }
        error = attempt(probe, by_label, notices);
        answer.error = error >= 0 ? error : ECANCELED;
        if (error == 0)
                answer.result = HW_PROBE_ALLOWED;
        else if (error == EACCES)
                answer.result = HW_PROBE_BLOCKED;
        return answer;
}

static _Noreturn void prober_main(const struct hw_table *t, int notices) {
        sigset_t chld;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_NAME, HW_PROBE_COMM);
        (void)sigfillset(&chld);
        (void)sigprocmask(SIG_BLOCK, &chld, NULL);
        (void)dup2(notices, STDIN_FILENO);
        (void)fcntl(STDIN_FILENO, F_SETFD, FD_CLOEXEC);
        (void)close_range(STDERR_FILENO + 1, ~0u, 0); /* the daemon's sockets stay the daemon's */
        for (size_t i = 0; i < t->n_probes; i++) {
                struct hw_probe_answer answer = run(&t->probes[i], t->bpf.len == 0, STDIN_FILENO);
                struct notice notice = { NOTICE_ANSWER, (int32_t)i, (int32_t)answer.result, answer.error };

                if (hw_write_all(STDIN_FILENO, &notice, sizeof notice) < 0)
                        break;
        }
        _exit(0);
}

/* ---- the daemon's side ---- */

static struct {
        pid_t pid;
        uint64_t at;
} recent[2 * HW_TABLE_PROBES_MAX];
static size_t recent_next;

static void remember(pid_t pid) {
        recent[recent_next].pid = pid;
        recent[recent_next].at = hw_now_ms();
        recent_next = (recent_next + 1) % HW_LEN(recent);
}

bool hw_probe_is_ours(pid_t pid, const char *comm) {
        if (strcmp(comm, HW_PROBE_COMM) != 0)
                return false;
        for (size_t i = 0; i < HW_LEN(recent); i++)
                if (recent[i].pid == pid && hw_now_ms() - recent[i].at < RECENT_MS)
                        return true;
        return false;
}

/* Killed and not reaped yet: a filesystem that does not answer may hold them, and nobody waits for that. */
static pid_t ended[ENDED_MAX];
static size_t n_ended;

void hw_prober_reap(void) {
        size_t kept = 0;

        for (size_t i = 0; i < n_ended; i++)
                if (waitpid(ended[i], NULL, WNOHANG) == 0)
                        ended[kept++] = ended[i];
        n_ended = kept;
}

static void end_prober(struct hw_prober *p) {
        (void)kill(p->pid, SIGKILL);
        ended[n_ended++] = p->pid; /* it began while there was room, and there is one at a time */
        hw_prober_reap();
        (void)close(p->fd);
        p->pid = 0;
        p->fd = -1;
}

int hw_prober_start(struct hw_prober *p, const struct hw_table *t, uint64_t silence_ms) {
        const uint64_t now = hw_now_ms();
        struct hw_probe_answer *answers;
        int fds[2];
        pid_t pid;

        hw_prober_reap();
        if (n_ended == ENDED_MAX)
                return -EBUSY;
        answers = calloc(t->n_probes + 1, sizeof *answers);
        if (!answers)
                return -ENOMEM;
        if (pipe2(fds, O_CLOEXEC) < 0) {
                free(answers);
                return -errno;
        }
        pid = fork();
        if (pid == 0)
                prober_main(t, fds[1]);
        (void)close(fds[1]);
        if (pid < 0) {
                (void)close(fds[0]);
                free(answers);
                return -EAGAIN;
        }
        (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
        *p = (struct hw_prober){ .pid = pid, .fd = fds[0], .answers = answers, .n = t->n_probes, .silence_ms = silence_ms,
                                 .deadline = now + silence_ms, .last_deadline = now + SILENCES_MAX * silence_ms };
        return 0;
}

static void take(struct hw_prober *p, const struct notice *notice) {
        size_t index = (size_t)notice->index_or_pid;

        p->deadline = HW_MIN(hw_now_ms() + p->silence_ms, p->last_deadline);
        if (notice->kind == NOTICE_PID)
                remember(notice->index_or_pid);
        else if (index < p->n) {
                p->answers[index] = (struct hw_probe_answer){ (enum hw_probe_result)notice->result, notice->error };
                p->answered = index + 1;
        }
}

int hw_prober_read(struct hw_prober *p) {
        struct notice notice;
        ssize_t n;

        if (p->pid <= 0)
                return 1;
        while ((n = read(p->fd, &notice, sizeof notice)) == sizeof notice)
                take(p, &notice);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        end_prober(p);
        return 1;
}

void hw_prober_expire(struct hw_prober *p) {
        if (hw_prober_read(p) == 1)
                return;
        for (size_t i = p->answered; i < p->n; i++)
                p->answers[i].error = ETIMEDOUT;
        end_prober(p);
}

void hw_prober_stop(struct hw_prober *p) {
        if (p->pid > 0)
                end_prober(p);
        free(p->answers);
        *p = (struct hw_prober){ .fd = -1 };
}
