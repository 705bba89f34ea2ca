// A disk that the tests stop and fill: while the file that DISK_STOPPED names is there, writes to files at an
// address wait; while the one that DISK_FULL names is there, they fail for want of room.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_there(const char *variable) {
    const char *path = getenv(variable);
    return path != NULL && access(path, F_OK) == 0;
}

static int is_full(void) {
    while (is_there("DISK_STOPPED")) {
        usleep(1000);
    }
    if (is_there("DISK_FULL")) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

#define CAUGHT(name, type)                                              \
    ssize_t name(int file, type data, size_t count, off64_t at) {       \
        static ssize_t (*real)(int, type, size_t, off64_t);             \
        if (real == NULL) {                                             \
            real = dlsym(RTLD_NEXT, #name);                             \
        }                                                               \
        return is_full() ? -1 : real(file, data, count, at);            \
    }

CAUGHT(pwrite, const void *)
CAUGHT(pwrite64, const void *)

#define CAUGHT_VECTORS(name)                                                        \
    ssize_t name(int file, const struct iovec *data, int count, off64_t at) {       \
        static ssize_t (*real)(int, const struct iovec *, int, off64_t);            \
        if (real == NULL) {                                                         \
            real = dlsym(RTLD_NEXT, #name);                                         \
        }                                                                           \
        return is_full() ? -1 : real(file, data, count, at);                        \
    }

CAUGHT_VECTORS(pwritev)
CAUGHT_VECTORS(pwritev64)
