/* Logs, and the standard streams. */
#define _GNU_SOURCE
#include "cases.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>
#include <wchar.h>

static void log_list(int priority, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsyslog(priority, format, list);
    va_end(list);
}

static void logs(void) {
    openlog("test-c", LOG_PID | LOG_NDELAY, LOG_USER);
    SAME(setlogmask(LOG_UPTO(LOG_INFO)), 0xff);
    syslog(LOG_INFO, "number %d, error %m", 42);
    log_list(LOG_ERR, "by %s", "list");
    syslog(LOG_DEBUG, "not to be seen");
    char text[16384] = "", line[64];
    int fd = open("/scheme/log", O_RDONLY | O_NONBLOCK);
    CHECK(fd >= 0);
    for (ssize_t n, used = 0; used < (ssize_t)sizeof text - 1 && (n = read(fd, text + used, sizeof text - 1 - used)) > 0;)
        used += n;
    close(fd);
    snprintf(line, sizeof line, "test-c[%d]: info: number 42, error ", getpid());
    CHECK(strstr(text, line) && strstr(text, "]: error: by list\n"));
    CHECK(!strstr(text, "not to be seen"));
    SAME(setlogmask(0xff), LOG_UPTO(LOG_INFO));
    closelog();
}

static void list_out(int wide, const void *format, ...) {
    va_list list;
    va_start(list, format);
    if (wide)
        vwprintf(format, list);
    else
        vprintf(format, list);
    va_end(list);
}
static int list_in(int wide, const void *format, ...) {
    va_list list;
    va_start(list, format);
    int n = wide ? vwscanf(format, list) : vscanf(format, list);
    va_end(list);
    return n;
}
/* Standard input and output take a side for good, so each side has a process. */
static int narrow_streams(void) {
    int number = 0;
    if (!freopen("/narrow", "w+", stdout) || !freopen("/narrow", "r", stdin))
        return 1;
    list_out(0, "%d words\n", 12);
    fflush(stdout);
    return list_in(0, "%d", &number) != 1 || number != 12;
}
static int wide_streams(void) {
    int number = 0, other = 0;
    if (!freopen("/wide", "w+", stdout) || !freopen("/wide", "r", stdin))
        return 1;
    wprintf(L"%d ", 34);
    list_out(1, L"%d", 56);
    putwchar(L'!');
    fflush(stdout);
    if (wscanf(L"%d", &number) != 1 || list_in(1, L"%d", &other) != 1)
        return 2;
    return number != 34 || other != 56 || getwchar() != L'!' || getwchar() != WEOF;
}
static void standard_streams(void) {
    SAME(in_child(narrow_streams), 0);
    SAME(in_child(wide_streams), 0);
}

/* Wider than there is memory: what has no buffer takes it in parts. */
static int very_wide(void) {
    enum { WIDTH = 300000000 };
    wchar_t narrow[8];
    FILE *f = fopen("/dev/null", "w");
    if (!f || setvbuf(f, 0, _IONBF, 0))
        return 1;
    if (fprintf(f, "%*d", WIDTH, 1) != WIDTH || dprintf(fileno(f), "%*d", WIDTH, 1) != WIDTH)
        return 2;
    if (swprintf(narrow, 8, L"%*d", WIDTH, 1) != -1 || errno != EOVERFLOW)
        return 3;
    return fclose(f) != 0;
}
static void wide_fields(void) {
    SAME(in_child(very_wide), 0);
}

/* A stream that is open at the end of the process says no more where its memory is. */
static int stream_of_memory_that_is_gone(void) {
    struct place {
        char *memory;
        size_t length;
    } *place = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        return 1;
    FILE *left = open_memstream(&place->memory, &place->length), *used = fopen("/left", "w");
    if (!left || !used || fputs("text", left) < 0 || fflush(left) != 0 || strcmp(place->memory, "text") != 0)
        return 2;
    if (fputs(" and more", left) < 0 || fputs("kept", used) < 0 || munmap(place, 4096) != 0)
        return 3;
    exit(7);
}
static void streams_at_the_end(void) {
    char got[8] = "";
    SAME(in_child(stream_of_memory_that_is_gone), 7);
    int file = open("/left", O_RDONLY);
    SAME(read(file, got, sizeof got - 1), 4);
    CHECK(strcmp(got, "kept") == 0);
    close(file);
}

const struct test_case output_cases[] = {
    {"logs", logs},
    {"standard_streams", standard_streams},
    {"wide_fields", wide_fields},
    {"streams_at_the_end", streams_at_the_end},
};
const unsigned output_case_count = sizeof output_cases / sizeof *output_cases;
