/* threads SOCKET PRODUCT: many threads ask with one handle. */
#include <entitled.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 8, QUESTIONS = 200 };

static entitled *daemon_;
static const char *product;

static void *ask(void *wrong) {
    int at;
    for (at = 0; at < QUESTIONS * QUESTIONS; at++) {
        if (entitled_valid(daemon_, product) != ENTITLED_YES) *(int *)wrong = 1;
    }
    for (at = 0; at < QUESTIONS; at++) {
        entitled_verdict verdict = ENTITLED_VERDICT_INIT;
        if (entitled_check(daemon_, product, &verdict) != ENTITLED_YES) *(int *)wrong = 1;
        if (entitled_feature_bool(&verdict, "export") != ENTITLED_YES) *(int *)wrong = 1;
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    int wrong[THREADS] = {0}, at, all = 0;
    entitled_options options = ENTITLED_OPTIONS_INIT;
    if (argc < 3) return 2;
    options.socket = argv[1];
    product = argv[2];
    daemon_ = entitled_open(&options);
    for (at = 0; at < THREADS; at++) pthread_create(&threads[at], NULL, ask, &wrong[at]);
    for (at = 0; at < THREADS; at++) {
        pthread_join(threads[at], NULL);
        all += wrong[at];
    }
    entitled_close(daemon_);
    if (all != 0) return 3;
    puts("every answer was right");
    return 0;
}
