/* Device numbers. */
#ifndef _SYS_SYSMACROS_H
#define _SYS_SYSMACROS_H

#define makedev(major, minor) ((((major) & 0xfffULL) << 8) | (((major) & 0xfffff000ULL) << 32) | ((minor) & 0xffULL) | (((minor) & 0xffffff00ULL) << 12))
#define major(device) ((unsigned)(((device) >> 8 & 0xfff) | ((device) >> 32 & 0xfffff000)))
#define minor(device) ((unsigned)(((device) & 0xff) | ((device) >> 12 & 0xffffff00)))
#endif
