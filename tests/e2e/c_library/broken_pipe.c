/* broken_pipe SOCKET: asks something so long that the other end is gone before all of it was written. SIGPIPE does what it does
 * in every program that says nothing about it: it ends the process. */
#include <entitled.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    size_t length = 8u << 20;
    char *product = malloc(length);
    entitled_options options = ENTITLED_OPTIONS_INIT;
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    entitled *daemon;
    if (argc < 2 || product == NULL) return 2;
    memset(product, 'a', length - 1);
    product[length - 1] = '\0';
    options.socket = argv[1];
    daemon = entitled_open(&options);
    if (entitled_check(daemon, product, &verdict) != ENTITLED_NOT_KNOWN) return 3;
    puts(entitled_strerror(verdict.error));
    entitled_close(daemon);
    free(product);
    return 0;
}
