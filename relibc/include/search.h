/* Tables, trees and queues. */
#ifndef _SEARCH_H
#define _SEARCH_H

#include <bits/restrict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef __SIZE_TYPE__ size_t;

typedef struct entry {
    char *key;
    void *data;
} ENTRY;
typedef enum {
    FIND,
    ENTER
} ACTION;
typedef enum {
    preorder,
    postorder,
    endorder,
    leaf
} VISIT;
struct hsearch_data {
    void *__table;
};

int hcreate(size_t count);
void hdestroy(void);
ENTRY *hsearch(ENTRY entry, ACTION action);
int hcreate_r(size_t count, struct hsearch_data *table);
void hdestroy_r(struct hsearch_data *table);
int hsearch_r(ENTRY entry, ACTION action, ENTRY **result, struct hsearch_data *table);
void insque(void *element, void *before);
void remque(void *element);
void *lsearch(const void *key, void *base, size_t *count, size_t size, int (*compare)(const void *, const void *));
void *lfind(const void *key, const void *base, size_t *count, size_t size, int (*compare)(const void *, const void *));
void *tdelete(const void *__restrict_c key, void **__restrict_c root, int (*compare)(const void *, const void *));
void *tfind(const void *key, void *const *root, int (*compare)(const void *, const void *));
void *tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void twalk(const void *root, void (*action)(const void *node, VISIT order, int level));
void tdestroy(void *root, void (*release)(void *key));

#ifdef __cplusplus
}
#endif
#endif
