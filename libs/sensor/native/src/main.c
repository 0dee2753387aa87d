/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "console.h"
#include "daemon.h"
#include "early.h"
#include "explain.h"

static const char usage[] =
        "hostward-sensor: keeps this host's security policies in the kernel\n"
        "\n"
        "  hostward-sensor run       the daemon (hostward-sensor.service)\n"
        "  hostward-sensor early     load the snapshot at boot (hostward-early.service)\n"
        "  hostward-sensor status [--json]\n"
        "  hostward-sensor suspend --mode audit|off --for 30m --reason TEXT\n"
        "  hostward-sensor resume\n"
        "  hostward-sensor unload    nothing is blocked any more until resume or the next rule set\n"
        "  hostward-sensor usb-release  gives back USB devices where the daemon has ended\n"
        "  hostward-sensor explain   which rule of the loaded table decides, and how, as JSON:\n"
        "                            [--program /PATH] [--terminal] --path /PATH --operation read\n"
        "                            [--owner] [--argument TEXT]..., or --capability N,\n"
        "                            or --network FAMILY/TYPE/PROTOCOL,\n"
        "                            or --domain NAME\n"
        "  hostward-sensor version\n"
        "\n"
        "Exit status: 0 done, 1 failed, 2 wrong usage, 3 in force but not wholly: not on disk, or but for a drop-in\n"
        "\n"
        "Options: --state-dir --trust-dir --socket --compiler --agent-user --securityfs --dropin-dir --bpffs\n"
        "         --sysfs\n"
        "         --confirm-timeout MS --check-interval MS --compile-timeout MS --probe-timeout MS\n"
        "         --frame-timeout MS\n";

enum { OPT_STATE = 256, OPT_SOCKET, OPT_COMPILER, OPT_AGENT, OPT_SECURITYFS, OPT_DROPIN, OPT_CONFIRM, OPT_CHECK,
       OPT_COMPILE, OPT_PROBE, OPT_FRAME, OPT_JSON, OPT_MODE, OPT_FOR, OPT_REASON, OPT_TRUST, OPT_BPFFS, OPT_PROGRAM, OPT_PATH, OPT_OPERATION,
       OPT_CAPABILITY, OPT_NETWORK, OPT_DOMAIN, OPT_OWNER, OPT_SYSFS, OPT_TERMINAL, OPT_ARGUMENT };

static const struct option options[] = {
        { "state-dir", required_argument, NULL, OPT_STATE },
        { "trust-dir", required_argument, NULL, OPT_TRUST },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "compiler", required_argument, NULL, OPT_COMPILER },
        { "agent-user", required_argument, NULL, OPT_AGENT },
        { "securityfs", required_argument, NULL, OPT_SECURITYFS },
        { "dropin-dir", required_argument, NULL, OPT_DROPIN },
        { "bpffs", required_argument, NULL, OPT_BPFFS },
        { "sysfs", required_argument, NULL, OPT_SYSFS },
        { "confirm-timeout", required_argument, NULL, OPT_CONFIRM },
        { "check-interval", required_argument, NULL, OPT_CHECK },
        { "compile-timeout", required_argument, NULL, OPT_COMPILE },
        { "probe-timeout", required_argument, NULL, OPT_PROBE },
        { "frame-timeout", required_argument, NULL, OPT_FRAME },
        { "json", no_argument, NULL, OPT_JSON },
        { "mode", required_argument, NULL, OPT_MODE },
        { "for", required_argument, NULL, OPT_FOR },
        { "reason", required_argument, NULL, OPT_REASON },
        { "program", required_argument, NULL, OPT_PROGRAM },
        { "path", required_argument, NULL, OPT_PATH },
        { "operation", required_argument, NULL, OPT_OPERATION },
        { "capability", required_argument, NULL, OPT_CAPABILITY },
        { "network", required_argument, NULL, OPT_NETWORK },
        { "domain", required_argument, NULL, OPT_DOMAIN },
        { "owner", no_argument, NULL, OPT_OWNER },
        { "terminal", no_argument, NULL, OPT_TERMINAL },
        { "argument", required_argument, NULL, OPT_ARGUMENT },
        { 0 },
};

struct arguments {
        struct hw_options daemon;
        const char *mode, *for_text, *reason;
        struct hw_question question;
        bool json, bad;
};

static uint64_t milliseconds(struct arguments *a, const char *text) {
        char *end;
        unsigned long long value = strtoull(text, &end, 10);

        if (*end || value == 0 || value > 86400000ull)
                a->bad = true;
        return value;
}

static void add_argument(struct arguments *a, const char *text) {
        if (a->question.n_arguments < HW_QUESTION_ARGUMENTS)
                a->question.arguments[a->question.n_arguments++] = text;
        else
                a->bad = true;
}

static void take(struct arguments *a, int option) {
        const char **texts[] = {
                [OPT_STATE - OPT_STATE] = &a->daemon.state_dir,   [OPT_SOCKET - OPT_STATE] = &a->daemon.socket,
                [OPT_COMPILER - OPT_STATE] = &a->daemon.compiler, [OPT_AGENT - OPT_STATE] = &a->daemon.agent_user,
                [OPT_SECURITYFS - OPT_STATE] = &a->daemon.securityfs,
                [OPT_DROPIN - OPT_STATE] = &a->daemon.dropin_dir, [OPT_MODE - OPT_STATE] = &a->mode,
                [OPT_FOR - OPT_STATE] = &a->for_text,             [OPT_REASON - OPT_STATE] = &a->reason,
                [OPT_TRUST - OPT_STATE] = &a->daemon.trust_dir,     [OPT_BPFFS - OPT_STATE] = &a->daemon.bpffs,
                [OPT_PROGRAM - OPT_STATE] = &a->question.program, [OPT_PATH - OPT_STATE] = &a->question.path,
                [OPT_OPERATION - OPT_STATE] = &a->question.operation,
                [OPT_CAPABILITY - OPT_STATE] = &a->question.capability,
                [OPT_NETWORK - OPT_STATE] = &a->question.network,
                [OPT_DOMAIN - OPT_STATE] = &a->question.domain,
                [OPT_SYSFS - OPT_STATE] = &a->daemon.sysfs,
        };

        if (option == OPT_OWNER)
                a->question.owner = true;
        else if (option == OPT_TERMINAL)
                a->question.terminal = true;
        else if (option == OPT_ARGUMENT)
                add_argument(a, optarg);
        else if (option == OPT_JSON)
                a->json = true;
        else if (option == OPT_CONFIRM)
                a->daemon.confirm_ms = milliseconds(a, optarg);
        else if (option == OPT_CHECK)
                a->daemon.check_ms = milliseconds(a, optarg);
        else if (option == OPT_COMPILE)
                a->daemon.compile_ms = milliseconds(a, optarg);
        else if (option == OPT_PROBE)
                a->daemon.probe_ms = milliseconds(a, optarg);
        else if (option == OPT_FRAME)
                a->daemon.frame_ms = milliseconds(a, optarg);
        else if (option < OPT_STATE)
                a->bad = true;
        else
                *texts[option - OPT_STATE] = optarg;
}

static int run_verb(const char *verb, const struct arguments *a) {
        const char *socket = a->daemon.socket;

        if (strcmp(verb, "run") == 0)
                return hw_daemon_run(&a->daemon) < 0;
        if (strcmp(verb, "early") == 0) {
                hw_early_run(&a->daemon);
                return 0;
        }
        if (strcmp(verb, "status") == 0)
                return hw_console_status(socket, a->json);
        if (strcmp(verb, "suspend") == 0 && a->mode && a->for_text && a->reason && *a->reason)
                return hw_console_suspend(socket, a->mode, a->for_text, a->reason);
        if (strcmp(verb, "resume") == 0)
                return hw_console_simple(socket, HW_MSG_RESUME, "enforcing again");
        if (strcmp(verb, "unload") == 0)
                return hw_console_simple(socket, HW_MSG_UNLOAD, "nothing is blocked any more");
        if (strcmp(verb, "usb-release") == 0)
                return hw_console_usb_release(socket, a->daemon.sysfs, a->daemon.state_dir);
        if (strcmp(verb, "explain") == 0)
                return hw_console_explain(a->daemon.bpffs, a->daemon.state_dir, &a->question);
        if (strcmp(verb, "version") == 0)
                return puts(HW_VERSION) < 0;
        fputs(usage, stderr);
        return 2;
}

int main(int argc, char **argv) {
        struct arguments a = { .daemon = {
                .state_dir = "/var/lib/hostward/sensor", .trust_dir = "/var/lib/hostward/trust", .socket = "/run/hostward/sensor.sock",
                .compiler = "/run/hostward/compiler.sock", .agent_user = "hostward",
                .securityfs = "/sys/kernel/security", .bpffs = "/sys/fs/bpf", .sysfs = "/sys", .dropin_dir = "/etc/systemd/system",
                .confirm_ms = 30000, .check_ms = 5000, .compile_ms = 60000, .probe_ms = 10000, .frame_ms = 10000,
        } };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                take(&a, option);
        if (a.bad || optind != argc - 1) {
                fputs(usage, stderr);
                return 2;
        }
        return run_verb(argv[optind], &a);
}
