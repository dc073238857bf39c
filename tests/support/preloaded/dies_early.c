/* Preloaded: the process is killed when it is about to change a file for the n-th time, where DIES_AT is n. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int changes;

static void count(void) {
    const char *dies_at = getenv("DIES_AT");
    if (dies_at && atomic_fetch_add(&changes, 1) + 1 == atoi(dies_at)) {
        kill(getpid(), SIGKILL);
    }
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
    count();
    return syscall(SYS_pwrite64, file, bytes, size, at);
}

int ftruncate64(int file, off64_t size) {
    count();
    return (int)syscall(SYS_ftruncate, file, size);
}

int fsync(int file) {
    count();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    count();
    return (int)syscall(SYS_fdatasync, file);
}
