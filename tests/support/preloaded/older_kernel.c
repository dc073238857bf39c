/* Preloaded: a kernel before Linux 6.16, which knows nothing of SO_PASSRIGHTS. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int setsockopt(int socket, int level, int name, const void *value, socklen_t size) {
    if (level == SOL_SOCKET && name == 83) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return (int)syscall(SYS_setsockopt, socket, level, name, value, size);
}
