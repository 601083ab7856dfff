/* <regex.h>, <fnmatch.h>, <glob.h>, <wordexp.h>. */
#include "conform.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wordexp.h>

static const struct {
    const char *pattern, *text;
    int compile, execute;
} regexes[] = {
    {"abc", "xabcx", 0, 0}, {"a*", "aaab", 0, 0}, {"a\\{2,3\\}", "aaaa", 0, 0}, {"\\(a\\)\\(b\\)*", "abb", 0, 0}, {"\\(a*\\)\\1", "aaaa", 0, 0}, {"^a", "ba", 0, 0}, {"a$", "ab", 0, 0},
    {"a+b?", "aab", REG_EXTENDED, 0}, {"(a|b)+c", "abac", REG_EXTENDED, 0}, {"a|ab|abc", "abcd", REG_EXTENDED, 0}, {"(a)(b)?(c)?", "ac", REG_EXTENDED, 0}, {"[[:digit:]]+", "x123y", REG_EXTENDED, 0},
    {"[^a-c]+", "abcxyz", REG_EXTENDED, 0}, {"[]a]+", "]a]", REG_EXTENDED, 0}, {"ABC", "xabc", REG_ICASE, 0}, {"[A-Z]", "q", REG_ICASE, 0}, {"^b", "a\nb", REG_NEWLINE, 0}, {"a.b", "a\nb", REG_NEWLINE, 0}, {"a.b", "a\nb", 0, 0},
    {"^a", "a", 0, REG_NOTBOL}, {"a$", "a", 0, REG_NOTEOL}, {"a{2}", "aa", REG_EXTENDED, 0}, {"a{,2}", "aaa", REG_EXTENDED, 0}, {"", "x", REG_EXTENDED, 0}, {"()", "x", REG_EXTENDED, 0}, {"(a*)*", "aa", REG_EXTENDED, 0},
    {"x*", "", 0, 0}, {"\\.", "a.b", 0, 0}, {"[.]", "a.b", 0, 0}, {"a.*b", "axxbxxb", 0, 0}, {"\\bword\\b", "a word", 0, 0}, {"\\<a", "b a", 0, 0}, {"[[:alpha:][:digit:]]*", "ab12-", 0, 0},
    {"(", "(", REG_EXTENDED, 0}, {")", ")", REG_EXTENDED, 0}, {"[", "[", 0, 0}, {"[a", "a", 0, 0}, {"[b-a]", "a", 0, 0}, {"[[:nothing:]]", "a", 0, 0}, {"a{2,1}", "a", REG_EXTENDED, 0}, {"a{1", "a", REG_EXTENDED, 0}, {"\\(", "(", 0, 0}, {"\\2", "x", 0, 0}, {"*a", "*a", 0, 0}, {"\\", "x", 0, 0},
};

static const struct {
    const char *pattern, *text;
    int flags;
} globs[] = {
    {"*", "abc", 0}, {"*", ".abc", 0}, {"*", ".abc", FNM_PERIOD}, {"*", "a/b", 0}, {"*", "a/b", FNM_PATHNAME}, {"a?c", "abc", 0}, {"a?c", "a/c", FNM_PATHNAME}, {"[a-c]x", "bx", 0}, {"[!a-c]x", "bx", 0}, {"[!a-c]x", "dx", 0},
    {"\\*", "*", 0}, {"\\*", "\\x", FNM_NOESCAPE}, {"a\\", "a", 0}, {"[[:upper:]]*", "Abc", 0}, {"[]]", "]", 0}, {"[a", "[a", 0}, {"*/.x", "a/.x", FNM_PATHNAME | FNM_PERIOD}, {"*/?x", "a/.x", FNM_PATHNAME | FNM_PERIOD}, {"ABC", "abc", FNM_CASEFOLD}, {"a*", "a/b/c", FNM_LEADING_DIR | FNM_PATHNAME}, {"", "", 0}, {"", "x", 0}, {"**a", "bba", 0}, {"*.[ch]", "x.c", 0}, {"a*b*c*d", "axbxcxd", 0}, {"[/]", "/", FNM_PATHNAME},
};

static void regular(void) {
    for (size_t i = 0; i < COUNT(regexes); i++) {
        regex_t r;
        regmatch_t m[4];
        int e = regcomp(&r, regexes[i].pattern, regexes[i].compile);
        if (e) {
            char b[100];
            row("regcomp(%s) fails: %d", regexes[i].pattern, regerror(e, &r, b, sizeof b) > 1 && b[0]);
            continue;
        }
        e = regexec(&r, regexes[i].text, 4, m, regexes[i].execute);
        row("%s on %s: %d, groups %zu", regexes[i].pattern, shown(regexes[i].text), e, r.re_nsub);
        if (!e)
            row(" %d-%d %d-%d %d-%d", (int)m[0].rm_so, (int)m[0].rm_eo, (int)m[1].rm_so, (int)m[1].rm_eo, (int)m[2].rm_so, (int)m[2].rm_eo);
        regfree(&r);
    }
    regex_t r;
    int compiled = regcomp(&r, "(a)b", REG_EXTENDED | REG_NOSUB);
    row("nosub: %d %d", compiled, regexec(&r, "ab", 0, NULL, 0));
    regfree(&r);
    char small[5];
    row("regerror cuts: %d %zu", regerror(REG_NOMATCH, NULL, small, sizeof small) > 5, strlen(small));
}

static void names(void) {
    for (size_t i = 0; i < COUNT(globs); i++)
        row("fnmatch(%s, %s, %s) = %d", globs[i].pattern, globs[i].text, globs[i].flags ? "flags" : "0", fnmatch(globs[i].pattern, globs[i].text, globs[i].flags));
}

static void make(const char *name) {
    close(open(name, O_CREAT | O_WRONLY, 0644));
}

static void list(const char *what, int status, size_t count, char **paths) {
    row("%s: %d, %zu", what, status, status ? 0 : count);
    for (size_t i = 0; !status && i < count; i++)
        row(" %s", paths[i] ? paths[i] : "(null)");
}

static void paths(void) {
    mkdir(scratch, 0755);
    if (chdir(scratch) != 0)
        return;
    mkdir("glob", 0755);
    mkdir("glob/sub", 0755);
    make("glob/a.c"), make("glob/b.c"), make("glob/.h.c"), make("glob/sub/d.c"), make("glob/we ird");
    static const struct { const char *pattern; int flags; } cases[] = {{"glob/*.c", 0}, {"glob/*/*.c", 0}, {"*/[ab].c", 0}, {"glob/.*.c", 0}, {"glob/none*", 0}, {"glob/none*", GLOB_NOCHECK}, {"glob/*", GLOB_MARK}, {"glob/a.c", 0}, {"glob/\\a.c", 0}, {"glob/su?", GLOB_MARK}, {"none/*", 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        glob_t g;
        int status = glob(cases[i].pattern, cases[i].flags, NULL, &g);
        list(cases[i].pattern, status, g.gl_pathc, g.gl_pathv);
        if (!status)
            globfree(&g);
    }
    setenv("VALUE", "two words", 1);
    setenv("HOME", "/home/here", 1);
    unsetenv("NOTHING");
    static const struct { const char *words; int flags; } expansions[] = {{"plain words", 0}, {"'one word' two\\ too", 0}, {"$VALUE \"$VALUE\"", 0}, {"${NOTHING:-default} ${VALUE:+set}", 0}, {"~/x", 0}, {"glob/*.c", 0}, {"\"glob/*.c\"", 0}, {"$((2 + 3 * 4))", 0}, {"$(echo no)", WRDE_NOCMD}, {"$NOTHING", WRDE_UNDEF}, {"a;b", 0}, {"'open", 0}, {"${#VALUE}", 0}, {"", 0}};
    for (size_t i = 0; i < COUNT(expansions); i++) {
        wordexp_t w;
        int status = wordexp(expansions[i].words, &w, expansions[i].flags);
        list(expansions[i].words, status, w.we_wordc, w.we_wordv);
        if (!status)
            wordfree(&w);
    }
    wordexp_t w;
    w.we_offs = 1;
    int status = wordexp("first", &w, WRDE_DOOFFS);
    row("offset: %d %d %s", status, w.we_wordv[0] == NULL, w.we_wordv[1]);
    status = wordexp("second", &w, WRDE_DOOFFS | WRDE_APPEND);
    row("append: %d %zu %s", status, w.we_wordc, w.we_wordv[2]);
    status = wordexp("third", &w, WRDE_DOOFFS | WRDE_REUSE);
    row("reuse: %d %zu %s", status, w.we_wordc, w.we_wordv[1]);
    wordfree(&w);
}

void section_patterns(void) {
    regular();
    names();
    paths();
}
