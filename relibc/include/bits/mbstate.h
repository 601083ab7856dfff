/* The state of a partly read multibyte character. */
#ifndef _BITS_MBSTATE_H
#define _BITS_MBSTATE_H

typedef struct {
    unsigned __partial, __missing;
} mbstate_t;
#endif
