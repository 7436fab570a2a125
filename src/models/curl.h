/* Load libcurl at the first download, or at the first call to an engine (launch/web.c).
 *
 * Linking libcurl would bring some twenty libraries into every process, the head among them, for
 * work that is done once per model: so its few functions are looked up with dlsym. A machine that
 * never downloads needs no libcurl at all. */
#ifndef MANTA_MODELS_CURL_H
#define MANTA_MODELS_CURL_H

#include <curl/curl.h>

#include "base/err.h"

struct curl_functions {
    CURL *(*open)(void);
    void (*close)(CURL *);
    CURLcode (*set)(CURL *, CURLoption, ...);
    CURLcode (*get)(CURL *, CURLINFO, ...);
    CURLcode (*run)(CURL *);
    const char *(*words)(CURLcode);
    struct curl_slist *(*list_add)(struct curl_slist *, const char *);
    void (*list_free)(struct curl_slist *);
    /* for many transfers at a time, on a caller's loop */
    CURLM *(*multi_open)(void);
    CURLMcode (*multi_close)(CURLM *);
    CURLMcode (*multi_set)(CURLM *, CURLMoption, ...);
    CURLMcode (*multi_add)(CURLM *, CURL *);
    CURLMcode (*multi_remove)(CURLM *, CURL *);
    CURLMcode (*multi_act)(CURLM *, curl_socket_t, int, int *);
    CURLMcode (*multi_assign)(CURLM *, curl_socket_t, void *);
    CURLMsg *(*multi_read)(CURLM *, int *);
};
/* Returns the functions in *out, valid for the life of the process. Returns ERR_UNSUPPORTED,
 * with the package's name in f, when there is no libcurl. Call while the process has one thread. */
int curl_functions(const struct curl_functions **out, struct fault *f);

#endif
