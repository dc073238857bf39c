/* Where the environment leads, as it stands there: a program of another user's rights looks elsewhere. */
#include <entitled.h>
#include <stdio.h>

int main(void) {
    entitled *daemon = entitled_open(NULL);
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    enum entitled_state state = entitled_check(daemon, "acme-cad", &verdict);
    printf("%s\n", state == ENTITLED_YES ? "entitled" : verdict.detail);
    entitled_close(daemon);
    return 0;
}
