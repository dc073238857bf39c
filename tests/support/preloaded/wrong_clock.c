/* Preloaded: the wall clock and the clock of the boot are ahead by as many nanoseconds as a file says, which the test may
   change at any time. Clocks that timers run by are left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The wall clock; the clock of the boot. */
static const volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WRONG_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) ahead = found;
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, which, at);
    if (failed || !ahead) return failed;
    int64_t by = 0;
    if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) by = ahead[0];
    if (which == CLOCK_BOOTTIME) by = ahead[1];
    int64_t sum = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + by;
    if (sum < 0) sum = 0;
    at->tv_sec = sum / 1000000000;
    at->tv_nsec = sum % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
