/* Preloaded: the first piece of a file is copied as ever, and the rest when the file that HELD_COPY names is gone. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int pieces;

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *into, size_t length, unsigned flags) {
    const char *held = getenv("HELD_COPY");
    /* The first piece is written as ever, so that there is something to find. */
    while (held && pieces > 0 && access(held, F_OK) == 0) usleep(1000);
    ssize_t copied = syscall(SYS_copy_file_range, from, at, to, into, length, flags);
    if (copied > 0) pieces++;
    return copied;
}
