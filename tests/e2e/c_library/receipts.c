/* receipts SOCKET KEY PRODUCT [MAKER]: has a receipt made, and judges it: as it is, for other questions, at another time, and with
 * one bit of it altered. With MAKER, its maker's word does for its block. */
#include <dirent.h>
#include <entitled.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BITS = 200 };
static const char NONCE[] = "never used before";
static const char *const STATES[] = {"not known", "yes", "no"};
static const char *const PROOFS[] = {"unproven", "proven", "proven by key", "proven now"};

static const char *const VOUCHED[] = {"nobody", "maker", "validators"};

static char *receipt;
static size_t length;

static enum entitled_state judge(const char *what, const entitled_question *question) {
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    enum entitled_state state = entitled_receipt_verify(receipt, length, question, &verdict);
    if (what != NULL) {
        printf("%s: %s, %s, %s %lu, %s %s\n", what, STATES[state], PROOFS[verdict.proof], VOUCHED[verdict.vouched],
               (unsigned long)verdict.version, verdict.code, verdict.detail);
        if (state == ENTITLED_YES && entitled_feature_bool(&verdict, "export") != ENTITLED_YES) exit(9);
    }
    return state;
}

static int threads(void) {
    DIR *directory = opendir("/proc/self/task");
    int count = -2;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

int main(int argc, char **argv) {
    entitled_options options = ENTITLED_OPTIONS_INIT;
    entitled_question mine = ENTITLED_QUESTION_INIT, other;
    entitled *daemon;
    enum entitled_error error;
    int at, refused = 0, status;
    char small[8];
    if (argc < 4) return 2;
    options.socket = argv[1];
    options.timeout_ms = 60000;
    daemon = entitled_open(&options);
    length = sizeof small;
    error = entitled_receipt(daemon, argv[3], NONCE, sizeof NONCE - 1, small, &length);
    if (error != ENTITLED_SPACE || length <= sizeof small) {
        printf("no receipt: %s\n", entitled_strerror(error));
        return 0;
    }
    /* The next one may be longer. */
    length += 4096;
    receipt = malloc(length);
    if (entitled_receipt(daemon, argv[3], NONCE, sizeof NONCE - 1, receipt, &length) != ENTITLED_OK) return 4;
    entitled_close(daemon);

    mine.publisher = argv[2];
    mine.product = argv[3];
    mine.nonce = NONCE;
    mine.nonce_length = sizeof NONCE - 1;
    mine.now = (int64_t)time(NULL);
    mine.accept_maker = argc > 4;
    judge("mine", &mine);
    other = mine;
    other.accept_linked = 1;
    judge("linked too", &other);
    other = mine;
    other.product = "acme-draw";
    judge("another product", &other);
    other = mine;
    other.nonce_length--;
    judge("another nonce", &other);
    other = mine;
    other.nonce = NULL;
    other.nonce_length = 0;
    judge("no nonce", &other);
    other = mine;
    other.min_version = 1;
    judge("this file", &other);
    other.min_version = 2;
    judge("a later file", &other);
    other = mine;
    other.accept_linked = 1;
    other.now += 31 * 86400;
    judge("in a month", &other);

    other = mine;
    other.accept_linked = 1;
    for (at = 0; at < BITS; at++) {
        size_t byte = (size_t)((double)at / BITS * (double)length);
        receipt[byte] ^= (char)(1 << at % 8);
        refused += judge(NULL, &other) == ENTITLED_NOT_KNOWN;
        receipt[byte] ^= (char)(1 << at % 8);
    }
    printf("altered: %s\n", refused == BITS ? "never a yes" : "a yes");
    fflush(stdout);
    if (fork() == 0) _exit(judge(NULL, &other) == ENTITLED_YES ? 0 : 1);
    printf("a child: %s\n", wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "yes" : "no");
    printf("threads: %d\n", threads());
    free(receipt);
    return 0;
}
