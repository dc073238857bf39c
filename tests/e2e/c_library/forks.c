/* forks SOCKET PRODUCT: parent and children ask with what was opened before the fork, at the same time; then the parent's
 * subscription, of which the child takes nothing. Says when the daemon may tell of a change. */
#include <entitled.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4, QUESTIONS = 50 };

static int ask(entitled *daemon, const char *product) {
    int at;
    for (at = 0; at < QUESTIONS; at++) {
        if (entitled_check(daemon, product, NULL) != ENTITLED_YES) return 10;
        if (entitled_valid(daemon, product) != ENTITLED_YES) return 13;
    }
    return 0;
}

static int all_well(int count) {
    int status, well = 1;
    while (count-- > 0) {
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) well = 0;
    }
    return well;
}

int main(int argc, char **argv) {
    entitled_options options = ENTITLED_OPTIONS_INIT;
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    entitled_subscription *changes = NULL;
    entitled *daemon;
    struct pollfd ready = {0, POLLIN, 0};
    enum entitled_error error;
    int at;
    if (argc < 3) return 2;
    options.socket = argv[1];
    daemon = entitled_open(&options);
    if (entitled_check(daemon, argv[2], NULL) != ENTITLED_YES) return 3;
    if (entitled_valid(daemon, argv[2]) != ENTITLED_YES) return 14;
    if (entitled_subscribe(daemon, argv[2], &changes) != ENTITLED_OK) return 4;
    while ((error = entitled_next(changes, &verdict)) == ENTITLED_AGAIN) {}
    if (error != ENTITLED_OK || verdict.state != ENTITLED_YES) return 5;
    for (at = 0; at < CHILDREN; at++) {
        if (fork() == 0) {
            entitled_verdict stolen = ENTITLED_VERDICT_INIT;
            int failed = ask(daemon, argv[2]);
            if (entitled_fd(changes) != -1) failed = 11;
            if (entitled_next(changes, &stolen) != ENTITLED_CLOSED || stolen.state != ENTITLED_NOT_KNOWN) failed = 12;
            entitled_unsubscribe(changes);
            entitled_close(daemon);
            _exit(failed);
        }
    }
    if (ask(daemon, argv[2]) != 0 || !all_well(CHILDREN)) return 6;
    puts("forked");
    fflush(stdout);
    ready.fd = entitled_fd(changes);
    for (;;) {
        while ((error = entitled_next(changes, &verdict)) == ENTITLED_OK && verdict.state != ENTITLED_NO) {}
        if (error != ENTITLED_AGAIN) break;
        if (poll(&ready, 1, 60000) != 1) return 7;
    }
    if (error != ENTITLED_OK) return 8;
    puts(verdict.code);
    entitled_unsubscribe(changes);
    entitled_close(daemon);
    return 0;
}
