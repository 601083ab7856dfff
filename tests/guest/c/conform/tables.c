/* Sorting, searching, random numbers, and the tables of <search.h>. */
#include "conform.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

static int by_int(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static int by_int_with(const void *a, const void *b, void *context) { return (*(const int *)a - *(const int *)b) * *(int *)context; }
static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static int visited;
static void visit(const void *node, VISIT order, int level) {
    if (order == postorder || order == leaf) {
        row("twalk %s", *(const char *const *)node);
        visited++;
    }
    (void)level;
}
static int freed;
static void count_freed(void *key) { (void)key, freed++; }

static void sorting(void) {
    unsigned seed = 12345;
    for (size_t n = 0; n < 300; n = n * 2 + 1) {
        int numbers[300], down = -1, sorted = 1;
        for (size_t i = 0; i < n; i++)
            numbers[i] = (int)((seed = seed * 1103515245 + 12345) >> 16) % 1000;
        qsort(numbers, n, sizeof *numbers, by_int);
        for (size_t i = 1; i < n; i++)
            sorted &= numbers[i - 1] <= numbers[i];
        int key = n ? numbers[n / 2] : 0;
        int *found = bsearch(&key, numbers, n, sizeof *numbers, by_int);
        row("qsort %zu: %d, middle %d, found %d", n, sorted, key, found ? *found : -1);
        qsort_r(numbers, n, sizeof *numbers, by_int_with, &down);
        for (size_t i = 1; i < n; i++)
            sorted &= numbers[i - 1] >= numbers[i];
        key = 5000;
        row("qsort_r: %d, missing %d", sorted, bsearch(&key, numbers, n, sizeof *numbers, by_int) == NULL);
    }
    char wide[5][3] = {"cc", "aa", "bb", "ee", "dd"};
    qsort(wide, 5, 3, by_text);
    row("three bytes: %s%s%s%s%s", wide[0], wide[1], wide[2], wide[3], wide[4]);
}

static void trees(void) {
    static char *keys[] = {"m", "c", "x", "a", "d", "z", "q"};
    void *root = NULL;
    for (size_t i = 0; i < COUNT(keys); i++)
        row("tsearch %s: %s", keys[i], **(char ***)tsearch(keys[i], &root, by_text) ? *(char **)tfind(keys[i], &root, by_text) : "-");
    row("again: %d", *(char **)tsearch("m", &root, by_text) == keys[0]);
    row("tfind: %d %d", tfind("q", &root, by_text) != NULL, tfind("none", &root, by_text) == NULL);
    twalk(root, visit);
    row("visited %d", visited);
    row("tdelete: %d %d %d", tdelete("c", &root, by_text) != NULL, tdelete("none", &root, by_text) == NULL, tfind("c", &root, by_text) == NULL);
    visited = 0;
    twalk(root, visit);
    tdestroy(root, count_freed);
    row("tdestroy: %d", freed);
}

static void hashes(void) {
    row("hcreate: %d", hcreate(20) != 0);
    static char *keys[] = {"one", "two", "three", "four"};
    for (size_t i = 0; i < COUNT(keys); i++)
        row("enter %s: %d", keys[i], hsearch((ENTRY){keys[i], (void *)(i + 1)}, ENTER) != NULL);
    for (size_t i = 0; i < COUNT(keys); i++) {
        ENTRY *e = hsearch((ENTRY){keys[i], NULL}, FIND);
        row("find %s: %ld", keys[i], e ? (long)e->data : -1);
    }
    row("missing: %d", hsearch((ENTRY){"nine", NULL}, FIND) == NULL);
    ENTRY *e = hsearch((ENTRY){"one", (void *)99}, ENTER);
    row("entered twice: %ld", (long)e->data);
    hdestroy();
    struct hsearch_data table;
    memset(&table, 0, sizeof table);
    int made = hcreate_r(5, &table);
    ENTRY *found = NULL;
    int entered = hsearch_r((ENTRY){"k", (void *)7}, ENTER, &found, &table);
    int again = hsearch_r((ENTRY){"k", NULL}, FIND, &found, &table);
    row("_r: %d %d %d %ld", made, entered, again, (long)found->data);
    errno = 0;
    int none = hsearch_r((ENTRY){"q", NULL}, FIND, &found, &table);
    row("_r missing: %d %s", none, error(errno));
    hdestroy_r(&table);
}

struct node {
    struct node *next, *previous;
    int value;
};

static void lists(void) {
    struct node a = {0, 0, 1}, b = {0, 0, 2}, c = {0, 0, 3};
    insque(&a, NULL), insque(&b, &a), insque(&c, &a);
    row("insque: %d %d %d", a.next->value, a.next->next->value, b.previous->value);
    remque(&c);
    row("remque: %d %d", a.next->value, b.previous->value);
    int numbers[8] = {3, 1, 4}, key = 1;
    size_t count = 3;
    int *found = lfind(&key, numbers, &count, sizeof *numbers, by_int);
    row("lfind: %ld", found ? (long)(found - numbers) : -1);
    key = 9;
    row("lfind missing: %d", lfind(&key, numbers, &count, sizeof *numbers, by_int) == NULL);
    found = lsearch(&key, numbers, &count, sizeof *numbers, by_int);
    row("lsearch: %ld, %zu", (long)(found - numbers), count);
}

static void randoms(void) {
    /* The generators whose algorithm the standard gives. */
    srand48(42);
    row("48: %.10f %ld %ld", drand48(), lrand48(), mrand48());
    unsigned short x[3] = {1, 2, 3};
    row("own: %.10f %ld %ld", erand48(x), nrand48(x), jrand48(x));
    unsigned short seed[3] = {7, 8, 9}, parameters[7] = {1, 2, 3, 4, 5, 6, 7};
    unsigned short *old = seed48(seed);
    row("seed48: %d, %ld", old != NULL, lrand48());
    lcong48(parameters);
    row("lcong48: %ld %ld", lrand48(), lrand48());
    srand(1);
    int a = rand(), b = rand();
    srand(1);
    row("rand repeats: %d %d %d", a == rand(), b == rand(), a != b);
    unsigned state = 5, same = 5;
    row("rand_r repeats: %d", rand_r(&state) == rand_r(&same));
    srandom(3);
    long r = random();
    srandom(3);
    row("random repeats: %d", r == random());
    char own[128], *before = initstate(9, own, sizeof own);
    r = random();
    setstate(before);
    random();
    setstate(own);
    row("states: %d %d", r >= 0, before != NULL);
    initstate(9, own, sizeof own);
    row("initstate repeats: %d", r == random());
    setstate(before);
}

void section_tables(void) {
    sorting();
    trees();
    hashes();
    lists();
    randoms();
}
