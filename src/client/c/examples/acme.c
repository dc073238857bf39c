/*
 * A vendor's program. It takes nobody's word: neither that of whoever listens at the socket, nor that of the files on this
 * machine. It has a key, and the answer has a proof, under a file of this version or a later one: whatever the key signed
 * once can be shown for good. The file has trust = "consensus", so that validators vouch for the chain.
 */
#include <entitled.h>
#include <stdio.h>
#include <time.h>

/* The public half of the key that signs acme-cad.toml. The other half is at Acme's. */
#ifndef ACME_KEY
#define ACME_KEY "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
#endif

/* The version of acme-cad.toml that this program was released with. */
#ifndef ACME_VERSION
#define ACME_VERSION 1
#endif

int main(void) {
    entitled_options options = ENTITLED_OPTIONS_INIT;
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    enum entitled_state state;
    entitled *daemon;

    options.publisher = ACME_KEY;
    options.min_version = ACME_VERSION;
    options.timeout_ms = 30000; /* a proof may have to be fetched */
    daemon = entitled_open(&options);
    state = entitled_prove(daemon, "acme-cad", (int64_t)time(NULL), &verdict);
    entitled_close(daemon);

    if (state == ENTITLED_YES) {
        printf("yes: %s\n", verdict.tier);
        return 0;
    }
    printf("no: %s\n", verdict.detail[0] != '\0' ? verdict.detail : entitled_strerror(verdict.error));
    return 1;
}
