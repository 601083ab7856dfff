/* <stdio.h>: streams over files and memory. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>
#include <locale.h>

static char path[256], other[256];

static int print_list(FILE *f, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vfprintf(f, format, list);
    va_end(list);
    return n;
}
static int print_descriptor(int fd, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vdprintf(fd, format, list);
    va_end(list);
    return n;
}
static int scan_list(FILE *f, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vfscanf(f, format, list);
    va_end(list);
    return n;
}
static int wide_print_list(FILE *f, const wchar_t *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vfwprintf(f, format, list);
    va_end(list);
    return n;
}
static int wide_text_list(wchar_t *b, size_t size, const wchar_t *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vswprintf(b, size, format, list);
    va_end(list);
    return n;
}
static int wide_scan_list(FILE *f, const wchar_t *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vfwscanf(f, format, list);
    va_end(list);
    return n;
}
static int wide_scan_text(const wchar_t *text, const wchar_t *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vswscanf(text, format, list);
    va_end(list);
    return n;
}

static void contents(const char *what) {
    char b[512];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, b, sizeof b);
    close(fd);
    row("%s: %s", what, shown_bytes(b, n > 0 ? n : 0));
}

static void modes(void) {
    static const char *const kinds[] = {"r", "r+", "w", "w+", "a", "a+", "wx", "rb", "", "z"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        FILE *f = fopen(path, "w");
        fputs("12345", f), fclose(f);
        errno = 0;
        f = fopen(path, kinds[i]);
        if (!f) {
            row("fopen(%s): %s", kinds[i], error(errno));
            continue;
        }
        row("fopen(%s): at %ld", kinds[i], ftell(f));
        errno = 0;
        int wrote = fputs("ab", f), e1 = errno;
        int flushed = fflush(f);
        rewind(f);
        errno = 0;
        char b[16] = "";
        char *read_back = fgets(b, sizeof b, f);
        row("fopen(%s): puts %d %s flush %d, gets %s %s, error %d eof %d, readable %d writable %d", kinds[i], wrote < 0, error(e1), flushed, read_back ? b : "-", error(errno), !!ferror(f), !!feof(f), !!__freadable(f), !!__fwritable(f));
        fclose(f);
        contents(" file");
    }
    errno = 0;
    row("missing: %d %s", fopen("/nowhere/at/all", "r") == NULL, error(errno));
}

static void bytes(void) {
    FILE *f = fopen(path, "w+");
    row("put: %d %d %d %d", fputc('a', f), putc('b', f), fputs("cd\n", f) >= 0, putc_unlocked('e', f));
    row("write: %zu %zu %zu", fwrite("123456", 2, 3, f), fwrite("x", 0, 5, f), fwrite_unlocked("78", 1, 2, f));
    row("unlocked: %d %d %d", fputc_unlocked('f', f), fputs_unlocked("gh", f) >= 0, fflush_unlocked(f));
    row("word: %d", putw(0x41424344, f));
    row("tell: %ld %lld, pending %d", ftell(f), (long long)ftello(f), __fpending(f) > 0);
    row("seek: %d %d %d", fseek(f, 2, SEEK_SET), fgetc(f), getc(f));
    row("ungetc: %d %d %d", ungetc('Z', f), fgetc(f), fgetc(f));
    row("end: %d %ld", fseeko(f, -4, SEEK_END), ftell(f));
    row("getw: %x, then %d %d", getw(f), fgetc(f), !!feof(f));
    clearerr(f);
    row("clearerr: %d %d", !!feof(f), !!ferror(f));
    fpos_t place;
    char b[32];
    rewind(f);
    row("getpos: %d %zu", fgetpos(f, &place), fread(b, 1, 3, f));
    row("setpos: %d %zu %s", fsetpos(f, &place), fread_unlocked(b, 1, 3, f), shown_bytes(b, 3));
    row("unlocked: %d %d %d %d %d", getc_unlocked(f), fgetc_unlocked(f), !!feof_unlocked(f), !!ferror_unlocked(f), fileno(f) == fileno_unlocked(f));
    clearerr_unlocked(f);
    row("gets: %s", fgets_unlocked(b, 4, f) ? b : "-");
    errno = 0;
    row("bad seek: %d %s", fseek(f, -100, SEEK_SET), error(errno));
    errno = 0;
    row("bad whence: %d %s", fseek(f, 0, 77), error(errno));
    flockfile(f);
    row("lock: %d", ftrylockfile(f));
    funlockfile(f), funlockfile(f);
    row("reading %d writing %d", !!__freading(f), !!__fwriting(f));
    __fpurge(f);
    row("purged: %zu, buffer %d, line %d", __fpending(f), __fbufsize(f) > 0, !!__flbf(f));
    row("close: %d", fclose(f));
    contents("file");
}

static void buffers(void) {
    static char own[64];
    FILE *f = fopen(path, "w");
    row("setvbuf: %d", setvbuf(f, NULL, _IOFBF, 4096));
    fputs("kept", f);
    contents("full, before flush");
    row("fflush: %d", fflush(f));
    contents("after");
    fclose(f);
    f = fopen(path, "w");
    setlinebuf(f);
    fputs("one\ntw", f);
    contents("line");
    _flushlbf();
    contents("all lines flushed");
    fclose(f);
    f = fopen(path, "w");
    setbuf(f, NULL);
    fputs("now", f);
    contents("none");
    fclose(f);
    f = fopen(path, "w");
    setbuffer(f, own, sizeof own);
    fputs("later", f);
    row("flush all: %d", fflush(NULL));
    contents("all");
    fclose(f);
    f = fopen(path, "w");
    fputs("before", f);
    row("none while output waits: %d", setvbuf(f, NULL, _IONBF, 0));
    contents("before");
    fputs(", after", f);
    contents("unbuffered");
    fclose(f);
    f = fopen(path, "w");
    row("bad mode: %d", setvbuf(f, NULL, 99, 0) != 0);
    fclose(f);
}

static void lines(void) {
    FILE *f = fopen(path, "w+");
    fputs("first\nsecond line that is longer\n\nno end", f);
    rewind(f);
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, f)) >= 0)
        row("getline %zd: %s", n, shown(line));
    rewind(f);
    n = getdelim(&line, &size, 'o', f);
    row("getdelim %zd: %s", n, shown(line));
    free(line);
    char b[8];
    while (fgets(b, sizeof b, f))
        row("fgets: %s", shown(b));
    fclose(f);
}

static void formats(void) {
    FILE *f = fopen(path, "w+");
    row("fprintf: %d %d", fprintf(f, "%d %s\n", 12, "twelve"), print_list(f, "%c %x\n", 'c', 255));
    fflush(f);
    row("dprintf: %d %d", dprintf(fileno(f), "%s\n", "direct"), print_descriptor(fileno(f), "%d\n", 5));
    rewind(f);
    int x = 0, y = 0;
    char word[16], c = 0;
    row("fscanf: %d %d %s", fscanf(f, "%d %s", &x, word), x, word);
    row("vfscanf: %d %c %x", scan_list(f, " %c %x", &c, (unsigned *)&y), c, y);
    row("fscanf: %d %s", fscanf(f, "%s", word), word);
    row("fscanf: %d %d, then %d", fscanf(f, "%d", &x), x, fscanf(f, "%d", &x));
    fclose(f);
}

static void memory(void) {
    char b[16] = "initial";
    FILE *f = fmemopen(b, sizeof b, "r+");
    int c = fgetc(f);
    row("fmemopen: %c %d", c, fseek(f, 0, SEEK_SET));
    fputs("IN", f);
    fclose(f);
    row("memory: %s", shown(b));
    f = fmemopen(b, 4, "w");
    setbuf(f, NULL);
    int n = fputs("too long for it", f);
    row("full: %d", n < 0 || ferror(f) || 1);
    fclose(f);
    static const struct { const char *how, *text; } fixed[] = {{"w", "abc"}, {"w", "abcd"}, {"w", "abcdef"}, {"w+", "abc"}, {"r+", "abcd"}};
    for (size_t i = 0; i < COUNT(fixed); i++) {
        memcpy(b, "\0######", 8);
        f = fmemopen(b, 4, fixed[i].how);
        fputs(fixed[i].text, f);
        fflush(f);
        fclose(f);
        row("fmemopen(%s) of %s: %s", fixed[i].how, fixed[i].text, shown_bytes(b, 5));
    }
    static const char *const own[] = {"r+", "w+", "a+", "r"};
    for (size_t i = 0; i < COUNT(own); i++) {
        f = fmemopen(NULL, 8, own[i]);
        row("fmemopen(NULL, %s): %d, end %ld", own[i], fseek(f, 0, SEEK_END), ftell(f));
        fclose(f);
    }
    f = fmemopen(b, 4, "r");
    row("short: %zu", fread(b + 8, 1, 8, f));
    fclose(f);
    char *text = NULL;
    size_t size = 0;
    f = open_memstream(&text, &size);
    fprintf(f, "%d and %s", 1, "more");
    fflush(f);
    row("open_memstream: %zu %s", size, shown(text));
    fseek(f, 2, SEEK_SET);
    fputs("XX", f);
    fflush(f);
    row("after seek: %zu %s", size, shown(text));
    fclose(f);
    free(text);
    wchar_t *wide = NULL;
    setlocale(LC_ALL, "C.UTF-8");
    f = open_wmemstream(&wide, &size);
    fwprintf(f, L"w\u00e9%d", 5);
    fflush(f);
    row("open_wmemstream: %zu %x %x", size, (unsigned)wide[1], (unsigned)wide[3]);
    fputwc(L'!', f);
    fclose(f);
    row("closed: %zu %d", size, wide[size] == 0);
    free(wide);
    setlocale(LC_ALL, "C");
}

static void wide(void) {
    setlocale(LC_ALL, "C.UTF-8");
    FILE *f = fopen(path, "w+");
    row("wide: %d %d %d %d %d", fwide(f, 1) > 0, fputwc(0xe9, f) == 0xe9, putwc(L'b', f) == L'b', fputws(L"\u20acuro\n", f) >= 0, wide_print_list(f, L"%d %ls", 7, L"z"));
    rewind(f);
    wint_t c = fgetwc(f), d = getwc(f);
    row("read: %x %x", c, d);
    row("back: %d %x", ungetwc(L'Q', f) == L'Q', fgetwc(f));
    wchar_t line[16];
    row("fgetws: %d %x %zu", fgetws(line, 16, f) != NULL, (unsigned)line[0], wcslen(line));
    int n = 0;
    row("fwscanf: %d %d", fwscanf(f, L"%d", &n), n);
    row("vfwscanf: %d", wide_scan_list(f, L"%ls", line));
    row("end: %d %d", fgetwc(f) == WEOF, !!feof(f));
    fclose(f);
    contents("bytes");
    f = fopen(path, "w+");
    fputws(L"7\u00e98x", f);
    rewind(f);
    int first = 0, second = 0, one = fwscanf(f, L"%d", &first);
    wint_t between = fgetwc(f);
    int two = fwscanf(f, L"%dx", &second);
    row("fwscanf puts back: %d %d, %x, %d %d, %d", one, first, between, two, second, fgetwc(f) == WEOF);
    fclose(f);
    wchar_t b[16];
    row("vswprintf: %d %d", wide_text_list(b, 16, L"%d", 12), wide_text_list(b, 2, L"%d", 1234) < 0);
    row("vswscanf: %d %d", wide_scan_text(L"77", L"%d", &n), n);
    f = fopen(path, "w");
    fputs("bad \xff byte", f);
    fclose(f);
    f = fopen(path, "r");
    int good = 0;
    errno = 0;
    while (fgetwc(f) != WEOF)
        good++;
    row("bad byte: %d good, %s, error %d", good, error(errno), !!ferror(f));
    fclose(f);
    setlocale(LC_ALL, "C");
}

/* What a stream without orientation gets by its first use. */
static int oriented_by(int use) {
    FILE *f = fopen(path, "w+");
    char b[8], *line = NULL;
    wchar_t w[8];
    size_t size = 0;
    int x;
    switch (use) {
    case 0: fputc('a', f); break;
    case 1: fputs("a", f); break;
    case 2: fwrite("a", 1, 1, f); break;
    case 3: fprintf(f, "a"); break;
    case 4: fgetc(f); break;
    case 5: fgets(b, 8, f); break;
    case 6: fread(b, 1, 1, f); break;
    case 7: getline(&line, &size, f); break;
    case 8: fscanf(f, "%d", &x); break;
    case 9: fputwc(L'a', f); break;
    case 10: fputws(L"a", f); break;
    case 11: fwprintf(f, L"a"); break;
    case 12: fgetwc(f); break;
    case 13: fgetws(w, 8, f); break;
    case 14: fwscanf(f, L"%d", &x); break;
    case 15: fseek(f, 0, SEEK_END); break;
    case 16: fflush(f); break;
    }
    int orientation = fwide(f, 0);
    fclose(f);
    free(line);
    return (orientation > 0) - (orientation < 0);
}

static void orientations(void) {
    for (int use = 0; use < 17; use++)
        row("orientation by %d: %d", use, oriented_by(use));
}

static void standard(void) {
    /* Standard output and input become files for a moment. */
    fflush(stdout);
    int out = dup(1), in = dup(0);
    FILE *f = fopen(path, "w");
    dup2(fileno(f), 1);
    fclose(f);
    int a = puts("puts"), b = putchar('p'), c = putchar_unlocked('q'), d = printf("%d\n", 5), e = fputs("", stdout);
    fflush(stdout);
    dup2(out, 1), close(out);
    row("output: %d %c %c %d %d", a >= 0, b, c, d, e >= 0);
    contents("written");
    int file = open(path, O_RDONLY);
    dup2(file, 0), close(file);
    clearerr(stdin);
    int first = getchar(), second = getchar_unlocked();
    char word[16] = "";
    int n = scanf("%15s", word);
    int last = getchar();
    int x = 0, m = scanf("%*c%*c%d", &x);
    row("input: %c %c %d %s %d, %d %d", first, second, n, word, last, m, x);
    dup2(in, 0), close(in);
    clearerr(stdin);
    __fpurge(stdin);
}

static void reopened(void) {
    FILE *f = fopen(path, "w");
    fputs("old", f);
    f = freopen(path, "a", f);
    row("freopen(a): %ld", ftell(f));
    rewind(f);
    f = freopen(NULL, "a", f);
    row("freopen(NULL, a): %ld", ftell(f));
    FILE *g = freopen(other, "w", f);
    row("freopen: %d", g == f);
    fputs("new", g);
    fclose(g);
    contents("first");
    int fd = open(other, O_RDWR);
    f = fdopen(fd, "r");
    char b[8] = "";
    row("fdopen: %d %s", f != NULL, fgets(b, sizeof b, f) ? b : "-");
    errno = 0;
    row("write to it: %d %s", fputc('x', f), error(errno));
    fclose(f);
    errno = 0;
    row("fdopen(bad): %d %s", fdopen(777, "r") == NULL, error(errno));
    row("rename: %d %d", rename(other, path), access(other, F_OK));
    contents("moved");
    row("remove: %d", remove(path));
    errno = 0;
    row("remove again: %d %s", remove(path), error(errno));
    f = tmpfile();
    fputs("temporary", f);
    rewind(f);
    row("tmpfile: %s", fgets(b, sizeof b, f) ? b : "-");
    fclose(f);
    char name[L_tmpnam];
    row("tmpnam: %d %d", tmpnam(name) == name, access(name, F_OK));
    char *named = tempnam(scratch, "pre");
    row("tempnam: %d %d", named != NULL, access(named, F_OK));
    free(named);
}

void section_streams(void) {
    mkdir(scratch, 0755);
    snprintf(path, sizeof path, "%s/stream", scratch);
    snprintf(other, sizeof other, "%s/other", scratch);
    modes();
    bytes();
    buffers();
    lines();
    formats();
    memory();
    wide();
    orientations();
    standard();
    reopened();
}
