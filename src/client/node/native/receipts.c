/*
 * Receipts for Node: hands a receipt to the C library, which alone runs signatures, proofs and contracts again. Node-API is the
 * same in every Node since 18, so this is compiled once, with the C library, and found where the package installs it
 * (lib/receipts.js). No header of Node's is needed: what is used of Node-API is declared here as its documentation has it.
 */
#include <entitled.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef int napi_status; /* 0 is napi_ok */
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

napi_status napi_get_cb_info(napi_env, napi_callback_info, size_t *argc, napi_value *argv, napi_value *self, void **data);
napi_status napi_get_buffer_info(napi_env, napi_value, void **data, size_t *length);
napi_status napi_get_value_int64(napi_env, napi_value, int64_t *);
napi_status napi_get_value_uint32(napi_env, napi_value, uint32_t *);
napi_status napi_get_value_bool(napi_env, napi_value, bool *);
napi_status napi_create_object(napi_env, napi_value *);
napi_status napi_create_int64(napi_env, int64_t, napi_value *);
napi_status napi_create_string_utf8(napi_env, const char *, size_t length, napi_value *);
napi_status napi_create_function(napi_env, const char *name, size_t length, napi_callback, void *data, napi_value *);
napi_status napi_set_named_property(napi_env, napi_value, const char *name, napi_value);
napi_status napi_throw_type_error(napi_env, const char *code, const char *message);

#define UNTIL_ITS_END ((size_t)-1) /* NAPI_AUTO_LENGTH */
#define OFFERED __attribute__((visibility("default")))

enum { RECEIPT, PRODUCT, PUBLISHER, NONCE, NOW, ACCEPT_LINKED, MIN_VERSION, ACCEPT_MAKER, ARGUMENTS };
/* What an older lib/receipts.js gives: both others are at their defaults then. */
enum { FEWEST = MIN_VERSION };

static napi_status set_text(napi_env env, napi_value object, const char *name, const char *text) {
    napi_value value;
    napi_status status = napi_create_string_utf8(env, text, UNTIL_ITS_END, &value);
    return status ? status : napi_set_named_property(env, object, name, value);
}

static napi_status set_number(napi_env env, napi_value object, const char *name, int64_t number) {
    napi_value value;
    napi_status status = napi_create_int64(env, number, &value);
    return status ? status : napi_set_named_property(env, object, name, value);
}

/* A text that JavaScript gave as a buffer, ended by a zero byte. NULL if it is not. */
static const char *text_of(napi_env env, napi_value value) {
    void *data;
    size_t length;
    if (napi_get_buffer_info(env, value, &data, &length) || length == 0 || ((const char *)data)[length - 1] != '\0') return NULL;
    return data;
}

static napi_value say(napi_env env, enum entitled_state state, const entitled_verdict *it) {
    napi_value said;
    napi_status failed = napi_create_object(env, &said);
    if (failed) return NULL;
    failed |= set_number(env, said, "state", state) | set_number(env, said, "proof", it->proof);
    failed |= set_number(env, said, "vouched", it->vouched) | set_number(env, said, "version", it->version);
    failed |= set_text(env, said, "code", it->code) | set_text(env, said, "tier", it->tier);
    failed |= set_text(env, said, "trust", it->trust) | set_text(env, said, "wallet", it->wallet);
    failed |= set_text(env, said, "token", it->token) | set_text(env, said, "detail", it->detail);
    return failed ? NULL : said;
}

/* verify(receipt, product, publisher, nonce, now, acceptLinked, minVersion, acceptMaker): buffers, seconds since 1970, and so on. */
static napi_value verify(napi_env env, napi_callback_info info) {
    napi_value given[ARGUMENTS];
    size_t count = ARGUMENTS, length;
    void *receipt, *nonce;
    bool accept_linked, accept_maker = false;
    entitled_question question = ENTITLED_QUESTION_INIT;
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    if (napi_get_cb_info(env, info, &count, given, NULL, NULL) || (count != ARGUMENTS && count != FEWEST) ||
        napi_get_buffer_info(env, given[RECEIPT], &receipt, &length) ||
        napi_get_buffer_info(env, given[NONCE], &nonce, &question.nonce_length) ||
        napi_get_value_int64(env, given[NOW], &question.now) ||
        napi_get_value_bool(env, given[ACCEPT_LINKED], &accept_linked) ||
        (count == ARGUMENTS && (napi_get_value_uint32(env, given[MIN_VERSION], &question.min_version) ||
                                napi_get_value_bool(env, given[ACCEPT_MAKER], &accept_maker))) ||
        !(question.product = text_of(env, given[PRODUCT])) || !(question.publisher = text_of(env, given[PUBLISHER]))) {
        napi_throw_type_error(env, NULL, "verify(receipt, product, publisher, nonce, now, acceptLinked, minVersion, acceptMaker)");
        return NULL;
    }
    question.nonce = question.nonce_length > 0 ? nonce : NULL;
    question.accept_linked = accept_linked;
    question.accept_maker = accept_maker;
    return say(env, entitled_receipt_verify(length > 0 ? receipt : "", length, &question, &verdict), &verdict);
}

OFFERED int32_t node_api_module_get_api_version_v1(void);
OFFERED int32_t node_api_module_get_api_version_v1(void) { return 8; }

OFFERED napi_value napi_register_module_v1(napi_env env, napi_value exports);
OFFERED napi_value napi_register_module_v1(napi_env env, napi_value exports) {
    napi_value function;
    if (napi_create_function(env, "verify", UNTIL_ITS_END, verify, NULL, &function) ||
        napi_set_named_property(env, exports, "verify", function)) {
        return NULL;
    }
    return exports;
}
