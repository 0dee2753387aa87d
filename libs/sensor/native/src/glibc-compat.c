/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Since glibc 2.38 headers lead scanf and strtol to names that older ones lack, which take 0b101 for a number too; ours
 * and the archives that we link (libbpf, libelf) were compiled with those headers. The names are answered here by what
 * every glibc has, so that a host needs glibc 2.35 only. Without _GNU_SOURCE, which would lead this file there too.
 */
#undef _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

long __isoc23_strtol(const char *text, char **ret_end, int base);
unsigned long __isoc23_strtoul(const char *text, char **ret_end, int base);
unsigned long long __isoc23_strtoull(const char *text, char **ret_end, int base);
int __isoc23_sscanf(const char *text, const char *format, ...);
int __isoc23_fscanf(FILE *stream, const char *format, ...);

long __isoc23_strtol(const char *text, char **ret_end, int base) {
        return strtol(text, ret_end, base);
}

unsigned long __isoc23_strtoul(const char *text, char **ret_end, int base) {
        return strtoul(text, ret_end, base);
}

unsigned long long __isoc23_strtoull(const char *text, char **ret_end, int base) {
        return strtoull(text, ret_end, base);
}

int __isoc23_sscanf(const char *text, const char *format, ...) {
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = vsscanf(text, format, arguments);
        va_end(arguments);
        return r;
}

int __isoc23_fscanf(FILE *stream, const char *format, ...) {
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = vfscanf(stream, format, arguments);
        va_end(arguments);
        return r;
}
