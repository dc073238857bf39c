/* So many processes that have one memory between them, each with a seat of its own: `holders SOCKET REQUEST COUNT`. With an empty
   request none has a seat. Tells the id of each, and then `ready`; all end with it. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { STACK = 64 * 1024 };

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static const char *request;
static int done[2];

static int has_seat(void) {
    char reply[16 * 1024];
    size_t length = 0;
    int daemon = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(daemon, (struct sockaddr *)&address, sizeof address)) return 0;
    if (write(daemon, request, strlen(request)) < 0 || write(daemon, "\n", 1) < 0) return 0;
    while (length < sizeof reply - 1 && !memchr(reply, '\n', length)) {
        ssize_t more = read(daemon, reply + length, sizeof reply - 1 - length);
        if (more <= 0) return 0;
        length += (size_t)more;
    }
    reply[length] = 0;
    close(daemon);
    return strstr(reply, "\"granted\":true") != NULL;
}

static int hold(void *nothing) {
    (void)nothing;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char said = !*request || has_seat() ? 'y' : 'n';
    if (write(done[1], &said, 1) < 0) _exit(1);
    for (;;) pause();
}

int main(int count, char **arguments) {
    if (count != 4 || pipe(done)) return 2;
    strncpy(address.sun_path, arguments[1], sizeof address.sun_path - 1);
    request = arguments[2];
    signal(SIGCHLD, SIG_IGN);
    for (long number = 0, all = atol(arguments[3]); number < all; number++) {
        char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED) return 3;
        int process = clone(hold, stack + STACK, CLONE_VM | SIGCHLD, NULL);
        char said = 'n';
        /* One after the other: they have one memory. */
        if (process < 0 || read(done[0], &said, 1) != 1 || said != 'y') return 4;
        printf("%d\n", process);
    }
    printf("ready\n");
    fflush(stdout);
    /* Until nobody listens any more. */
    char nothing;
    while (read(0, &nothing, 1) > 0) {}
    return 0;
}
