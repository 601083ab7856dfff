/* Mount tables, memory, the environment, messages, and asking for facts with bad arguments. */
#include "conform.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <mntent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void mounts(void) {
    char path[256];
    snprintf(path, sizeof path, "%s/mtab", scratch);
    mkdir(scratch, 0755);
    FILE *f = setmntent(path, "w+");
    struct mntent e = {"/dev/disk 1", "/mnt/a b", "fs", "rw,size=5,noatime", 1, 2};
    row("addmntent: %d", addmntent(f, &e));
    fputs("# comment\n\nnone /proc proc ro 0 0\n", f);
    rewind(f);
    for (struct mntent *m; (m = getmntent(f));)
        row("%s %s %s %s %d %d", m->mnt_fsname, m->mnt_dir, m->mnt_type, m->mnt_opts, m->mnt_freq, m->mnt_passno);
    rewind(f);
    char b[128];
    struct mntent own, *m = getmntent_r(f, &own, b, sizeof b);
    row("_r: %s", m ? m->mnt_dir : "-");
    row("option: %s, %d", hasmntopt(&e, "size"), hasmntopt(&e, "siz") == NULL);
    row("endmntent: %d", endmntent(f));
}

static void memory(void) {
    void *p = NULL;
    row("posix_memalign: %d %d", posix_memalign(&p, 64, 10), (size_t)p % 64 == 0), free(p);
    p = aligned_alloc(32, 64);
    row("aligned_alloc: %d", (size_t)p % 32 == 0 && p), free(p);
    p = memalign(128, 10);
    row("memalign: %d %d", (size_t)p % 128 == 0 && p, malloc_usable_size(p) >= 10), free(p);
    p = valloc(10);
    row("valloc: %d", (size_t)p % 4096 == 0 && p), free(p);
    volatile size_t huge = (size_t)-1 / 2;
    errno = 0;
    p = reallocarray(NULL, huge, 4);
    row("reallocarray: %d %s", p == NULL, error(errno));
    p = reallocarray(NULL, 10, 4);
    row("reallocarray: %d", p != NULL), free(p);
}

static void names(void) {
    clearenv();
    row("clearenv: %d", getenv("PATH") == NULL);
    setenv("ONE", "1", 1);
    row("secure_getenv: %s", secure_getenv("ONE"));
}

static void causes(void) {
    row("ILL_: %d %d %d %d %d %d %d %d", ILL_ILLOPC, ILL_ILLOPN, ILL_ILLADR, ILL_ILLTRP, ILL_PRVOPC, ILL_PRVREG, ILL_COPROC, ILL_BADSTK);
    row("FPE_: %d %d %d %d %d %d %d %d", FPE_INTDIV, FPE_INTOVF, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES, FPE_FLTINV, FPE_FLTSUB);
    row("SEGV_: %d %d, BUS_: %d %d %d", SEGV_MAPERR, SEGV_ACCERR, BUS_ADRALN, BUS_ADRERR, BUS_OBJERR);
    row("TRAP_: %d %d, SI_: %d", TRAP_BRKPT, TRAP_TRACE, SI_KERNEL);
    row("POLL_: %d %d %d %d %d %d", POLL_IN, POLL_OUT, POLL_MSG, POLL_ERR, POLL_PRI, POLL_HUP);
}

static int child(void (*run)(void)) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(2);
        open("/dev/null", O_WRONLY);
        run();
        _exit(99);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static char said[256];
/* What a function writes to standard error. */
static void listen(void (*run)(void)) {
    char path[256];
    snprintf(path, sizeof path, "%s/said", scratch);
    fflush(stderr);
    int old = dup(2), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, 2);
    run();
    fflush(stderr);
    dup2(old, 2);
    close(old);
    lseek(fd, 0, SEEK_SET);
    ssize_t n = read(fd, said, sizeof said - 1);
    close(fd);
    said[n > 0 ? n : 0] = 0;
    /* The program's name is where it was built. */
    char *colon = strchr(said, ':');
    row("said%s", shown(colon ? colon : said));
}

static void by_list(void (*say)(const char *, va_list), const char *format, ...) {
    va_list list;
    va_start(list, format);
    say(format, list);
    va_end(list);
}
static void end_by_list(void (*say)(int, const char *, va_list), int status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    say(status, format, list);
    va_end(list);
}
static void say_warn(void) { errno = 0, warnx("plain %d", 5); }
static void say_list(void) { by_list(vwarnx, "list %s", "x"); }
static void say_error(void) { errno = ENOENT, warn("with"); }
static void say_error_list(void) { errno = ENOENT, by_list(vwarn, "with %d", 1); }
static void end_err(void) { errno = ENOENT, err(3, "x"); }
static void end_errx(void) { errx(4, "x"); }
static void end_verr(void) { end_by_list(verr, 5, "x"); }
static void end_verrx(void) { end_by_list(verrx, 6, "x"); }
static void perror_said(void) { errno = EINVAL, perror("prefix"); }

static void on_exit_7(void) { _exit(7); }
static void end_exit(void) { atexit(on_exit_7), exit(1); }
static void end_quick(void) { at_quick_exit(on_exit_7), quick_exit(1); }
static void end_now(void) { atexit(on_exit_7), _Exit(8); }
static void end_abort(void) { abort(); }

void section_misc(void) {
    mounts();
    memory();
    row("statuses: %d %d %d %d", child(end_err), child(end_errx), child(end_verr), child(end_verrx));
    row("ends: %d %d %d %d", child(end_exit), child(end_quick), child(end_now), child(end_abort) == -SIGABRT);
    listen(say_warn), listen(say_list);
    listen(say_error);
    row("has the error: %d", strstr(said, strerror(ENOENT)) != NULL);
    listen(say_error_list);
    row("has the error: %d", strstr(said, strerror(ENOENT)) != NULL);
    listen(perror_said);
    row("perror: %d", strncmp(said, "prefix: ", 8) == 0 && strstr(said, strerror(EINVAL)) != NULL);
    names();
    causes();
}
