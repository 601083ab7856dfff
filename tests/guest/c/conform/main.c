/* Runs the conformance tables. `conform print NAME` writes a section's rows; `conform check FOLDER`
   compares every section with FOLDER/NAME.txt, in the test runner's protocol. */
#include "conform.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(void);
} sections[] = {
    {"math", section_math},
    {"long_math", section_long_math},
    {"complex", section_complex},
    {"environment", section_environment},
    {"text", section_text},
    {"wide", section_wide},
    {"convert", section_convert},
    {"print", section_print},
    {"scan", section_scan},
    {"streams", section_streams},
    {"time", section_time},
    {"patterns", section_patterns},
    {"tables", section_tables},
    {"words", section_words},
    {"files", section_files},
    {"misc", section_misc},
};

const char *scratch = "/tmp/conform";
static char *rows;
static size_t used, room;

void row(const char *format, ...) {
    char line[2048];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (size < 0 || size > (int)sizeof line - 2)
        size = snprintf(line, sizeof line - 1, "(a row of %d bytes)", size);
    line[size++] = '\n';
    if (used + size > room) {
        room = (used + size) * 2;
        rows = realloc(rows, room);
        if (!rows)
            abort();
    }
    memcpy(rows + used, line, size);
    used += size;
}

const char *shown_bytes(const void *bytes, size_t count) {
    static char places[8][1024];
    static int next;
    char *out = places[next++ % 8], *at = out;
    const unsigned char *in = bytes;
    for (size_t i = 0; i < count && at < out + 1000; i++) {
        if (in[i] >= ' ' && in[i] < 127 && in[i] != '\\')
            *at++ = in[i];
        else
            at += sprintf(at, "\\x%02x", in[i]);
    }
    *at = 0;
    return out;
}

const char *shown(const char *text) {
    return text ? shown_bytes(text, strlen(text)) : "(null)";
}

const char *number(double x, int digits) {
    static char places[8][64];
    static int next;
    char *out = places[next++ % 8];
    if (isnan(x))
        return "nan";
    snprintf(out, 64, "%.*g", digits, x);
    return out;
}

const char *long_number(long double x, int digits) {
    static char places[8][64];
    static int next;
    char *out = places[next++ % 8];
    if (isnan(x))
        return "nan";
    snprintf(out, 64, "%.*Lg", digits, x);
    return out;
}

const char *error(int number) {
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {0, "ok"}, {EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {EINTR, "EINTR"}, {EBADF, "EBADF"}, {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"},
        {EACCES, "EACCES"}, {EFAULT, "EFAULT"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {EXDEV, "EXDEV"}, {ENODEV, "ENODEV"},
        {ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"}, {EMFILE, "EMFILE"}, {ENOTTY, "ENOTTY"}, {EFBIG, "EFBIG"},
        {ENOSPC, "ENOSPC"}, {ESPIPE, "ESPIPE"}, {EROFS, "EROFS"}, {EPIPE, "EPIPE"}, {EDOM, "EDOM"}, {ERANGE, "ERANGE"},
        {EDEADLK, "EDEADLK"}, {ENAMETOOLONG, "ENAMETOOLONG"}, {ENOSYS, "ENOSYS"}, {ENOTEMPTY, "ENOTEMPTY"}, {ELOOP, "ELOOP"},
        {EOVERFLOW, "EOVERFLOW"}, {EILSEQ, "EILSEQ"}, {E2BIG, "E2BIG"}, {ECHILD, "ECHILD"}, {ESRCH, "ESRCH"}, {EOPNOTSUPP, "EOPNOTSUPP"},
    };
    static char other[24];
    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf(other, sizeof other, "error %d", number);
    return other;
}

static void run(unsigned i) {
    used = 0;
    sections[i].run();
}

/* Fails at the first row that differs. */
static int check(unsigned i, const char *folder) {
    char path[256], want[2048];
    snprintf(path, sizeof path, "%s/%s.txt", folder, sections[i].name);
    FILE *table = fopen(path, "r");
    if (!table) {
        printf("@test FAIL conform.%s: %s: %s\n", sections[i].name, path, strerror(errno));
        return 1;
    }
    run(i);
    size_t at = 0;
    unsigned line = 0, wrong = 0;
    char reason[1024] = "";
    while (fgets(want, sizeof want, table)) {
        line++;
        want[strcspn(want, "\n")] = 0;
        size_t size = at < used ? strcspn(rows + at, "\n") : 0;
        const char *got = at < used ? rows + at : "(nothing)";
        int length = at < used ? (int)size : 9;
        if (length != (int)strlen(want) || memcmp(got, want, length) != 0) {
            if (wrong++ == 0)
                snprintf(reason, sizeof reason, "row %u: expected `%.300s`, got `%.*s`", line, want, length > 300 ? 300 : length, got);
            fprintf(stderr, "%s row %u: expected `%.300s`, got `%.*s`\n", sections[i].name, line, want, length > 300 ? 300 : length, got);
        }
        at += size + 1;
    }
    fclose(table);
    if (!wrong && at < used) {
        snprintf(reason, sizeof reason, "more than %u rows", line);
        wrong = 1;
    }
    if (line == 0)
        wrong = 1;
    if (wrong)
        printf("@test FAIL conform.%s: %u of %u rows differ; %s\n", sections[i].name, wrong, line, reason);
    else
        printf("@test ok conform.%s\n", sections[i].name);
    return wrong != 0;
}

int main(int argc, char **argv) {
    if (argc > 3)
        scratch = argv[3];
    mkdir("/tmp", 01777);
    if (argc > 2 && strcmp(argv[1], "print") == 0) {
        for (unsigned i = 0; i < COUNT(sections); i++)
            if (strcmp(sections[i].name, argv[2]) == 0) {
                run(i);
                return fwrite(rows, 1, used, stdout) != used;
            }
        return 2;
    }
    if (argc > 2 && strcmp(argv[1], "check") == 0) {
        int failures = 0;
        printf("@test plan %u\n", (unsigned)COUNT(sections));
        for (unsigned i = 0; i < COUNT(sections); i++) {
            failures += check(i, argv[2]);
            fflush(stdout);
        }
        return failures != 0;
    }
    return 2;
}
