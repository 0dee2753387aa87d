/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "audit-record.h"
#include "check.h"

#define STAMP "audit(1700000000.123:456): "

static int parse(const char *text, struct hw_audit_record *ret) {
        size_t n = strlen(text);
        char *exact = malloc(n);
        int r;

        memcpy(exact, text, n); /* no NUL behind it, as from the kernel */
        r = hw_audit_record_parse(exact, n, ret);
        free(exact);
        return r;
}

static void a_file_denial_is_read(void) {
        struct hw_audit_record r;

        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"open\" class=\"file\" profile=\"hostward\" name=\"/etc/shadow\" "
                          "pid=123 comm=\"cat\" requested_mask=\"r\" denied_mask=\"r\" fsuid=1000 ouid=0", &r) == 1);
        CHECK(r.denied && r.time_ms == 1700000000123 && r.serial == 456);
        CHECK(strcmp(r.profile, "hostward") == 0 && strcmp(r.operation, "open") == 0);
        CHECK(strcmp(r.name, "/etc/shadow") == 0 && strcmp(r.comm, "cat") == 0);
        CHECK(strcmp(r.requested, "r") == 0 && strcmp(r.denied_mask, "r") == 0);
        CHECK(r.pid == 123 && r.fsuid == 1000 && r.ouid == 0 && r.capability == -1);
}

static void capability_and_network_denials_are_read(void) {
        struct hw_audit_record r;

        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"capable\" class=\"cap\" profile=\"hostward-src-1\" pid=9 "
                          "comm=\"ping\" capability=13  capname=\"net_raw\"", &r) == 1);
        CHECK(r.capability == 13 && strcmp(r.capname, "net_raw") == 0);
        CHECK(parse(STAMP "apparmor=\"AUDIT\" operation=\"create\" class=\"net\" profile=\"hostward\" pid=9 comm=\"x\" "
                          "family=\"inet\" sock_type=\"raw\" protocol=1 requested=\"create\" denied=\"create\" addr=none",
                    &r) == 1);
        CHECK(!r.denied && strcmp(r.family, "inet") == 0 && strcmp(r.sock_type, "raw") == 0 && r.protocol == 1);
        CHECK(strcmp(r.requested, "create") == 0);
}

static void hostile_names_are_decoded_and_stay_names(void) {
        struct hw_audit_record r;

        /* /tmp/a" pid=1 fsuid=0 <newline> */
        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"open\" profile=\"hostward\" "
                          "name=2F746D702F61222070696430200A pid=5 comm=612062 fsuid=1000", &r) == 1);
        CHECK(strcmp(r.name, "/tmp/a\" pid0 \n") == 0 && strcmp(r.comm, "a b") == 0);
        CHECK(r.pid == 5 && r.fsuid == 1000);
        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"open\" profile=\"hostward\" name=\"/tmp/x=y profile=z\" pid=5",
                    &r) == 1);
        CHECK(strcmp(r.profile, "hostward") == 0 && strcmp(r.name, "/tmp/x=y profile=z") == 0);
}

static void records_about_others_are_left_alone(void) {
        struct hw_audit_record r;

        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"link\" profile=\"hostward\" name=\"/srv/q\" pid=5 comm=\"ln\" "
                          "requested_mask=\"x\" denied_mask=\"x\" fsuid=0 ouid=0 target=\"/usr/bin/sleep\"", &r) == 1);
        CHECK(strcmp(r.target, "/usr/bin/sleep") == 0);
        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"open\" profile=\"/usr/sbin/mysqld\" name=\"/x\" pid=1", &r) == 0);
        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"open\" profile=\"hostward-sensor\" name=\"/x\" pid=1", &r) == 0);
        CHECK(parse(STAMP "apparmor=\"STATUS\" operation=\"profile_load\" profile=\"unconfined\" name=\"hostward\" pid=1",
                    &r) == 0);
        CHECK(parse(STAMP "apparmor=\"DENIED\" operation=\"open\" namespace=\"root//c1\" profile=\"hostward\" pid=1", &r) == 0);
        CHECK(parse(STAMP "avc:  denied  { read } for  pid=1 comm=\"x\"", &r) == 0);
}

static void malformed_records_are_refused(void) {
        static const char *const bad[] = {
                "", "audit(", "audit(1.2:3)", "audit(99999999999999999999.000:1): apparmor=\"DENIED\"",
                STAMP "apparmor=DENIED profile=\"hostward\"",
                STAMP "apparmor=\"DENIED\" profile=\"hostward",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\"name=\"x\"",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" name=XYZ",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" name=2F0",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" name=2F00",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" name=2f61",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" name=\"a\" name=\"b\"",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" pid=-1",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" pid=\"1\"",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" pid=99999999999",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" Pid=1",
                STAMP "apparmor=\"DENIED\" profile=\"hostward\" x=a\"b",
        };
        struct hw_audit_record r;

        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                CHECK(parse(bad[i], &r) == -EBADMSG);
}

static void a_name_of_path_max_fits_and_a_longer_one_does_not(void) {
        static char text[12000];
        struct hw_audit_record r;
        int n = sprintf(text, STAMP "apparmor=\"DENIED\" operation=\"open\" profile=\"hostward\" pid=1 name=");

        for (int i = 0; i < 4096; i++)
                memcpy(text + n + 2 * i, "2F", 3);
        CHECK(parse(text, &r) == 1 && strlen(r.name) == 4096);
        strcat(text, "2F");
        CHECK(parse(text, &r) == -EBADMSG);
}

static void garbage_never_reads_beyond_its_end(void) {
        static const char good[] = STAMP "apparmor=\"DENIED\" operation=\"open\" profile=\"hostward\" name=2F61 pid=1 "
                                         "comm=\"cat\" capability=1 requested_mask=\"r\" fsuid=0";
        uint64_t seed = 7;

        for (int round = 0; round < 100000; round++) {
                size_t n = sizeof good - 1;
                struct hw_audit_record r;
                char *text;

                if (next_random(&seed) % 2)
                        n = next_random(&seed) % n;
                text = malloc(n ? n : 1);
                memcpy(text, good, n);
                for (uint32_t changes = next_random(&seed) % 4; n && changes > 0; changes--)
                        text[next_random(&seed) % n] = "\" =Ax(\0\xff"[next_random(&seed) % 8];
                (void)hw_audit_record_parse(text, n, &r);
                free(text);
        }
}

int main(void) {
        TEST(a_file_denial_is_read);
        TEST(capability_and_network_denials_are_read);
        TEST(hostile_names_are_decoded_and_stay_names);
        TEST(records_about_others_are_left_alone);
        TEST(malformed_records_are_refused);
        TEST(a_name_of_path_max_fits_and_a_longer_one_does_not);
        TEST(garbage_never_reads_beyond_its_end);
        return 0;
}
