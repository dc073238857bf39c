/* Says what the answer is, and each change of it, until the daemon goes away: a program's own loop. */
#include <entitled.h>
#include <poll.h>
#include <stdio.h>

int main(void) {
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    entitled_subscription *changes = NULL;
    entitled *daemon = entitled_open(NULL);
    enum entitled_error error = entitled_subscribe(daemon, "acme-cad", &changes);
    while (error == ENTITLED_OK || error == ENTITLED_AGAIN) {
        while ((error = entitled_next(changes, &verdict)) == ENTITLED_OK) {
            printf("%s %s\n", verdict.code, verdict.tier);
            fflush(stdout);
        }
        if (error == ENTITLED_AGAIN) {
            struct pollfd ready = {0, POLLIN, 0};
            ready.fd = entitled_fd(changes);
            poll(&ready, 1, -1);
        }
    }
    printf("%s\n", entitled_strerror(error));
    entitled_unsubscribe(changes);
    entitled_close(daemon);
    return 0;
}
