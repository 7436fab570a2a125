#include "models/curl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* ISO C cannot convert an object pointer to a function pointer; POSIX promises that the bytes
 * are the same. */
static bool look_up(void *library, const char *name, void *out_function)
{
    void *found = dlsym(library, name);
    memcpy(out_function, &found, sizeof found);
    return found != NULL;
}

static bool fill(void *library, struct curl_functions *c)
{
    CURLcode (*init)(long) = NULL;
    return look_up(library, "curl_easy_init", &c->open) && look_up(library, "curl_easy_cleanup", &c->close) &&
           look_up(library, "curl_easy_setopt", &c->set) && look_up(library, "curl_easy_getinfo", &c->get) &&
           look_up(library, "curl_easy_perform", &c->run) && look_up(library, "curl_easy_strerror", &c->words) &&
           look_up(library, "curl_slist_append", &c->list_add) && look_up(library, "curl_slist_free_all", &c->list_free) &&
           look_up(library, "curl_multi_init", &c->multi_open) && look_up(library, "curl_multi_cleanup", &c->multi_close) &&
           look_up(library, "curl_multi_setopt", &c->multi_set) && look_up(library, "curl_multi_add_handle", &c->multi_add) &&
           look_up(library, "curl_multi_remove_handle", &c->multi_remove) && look_up(library, "curl_multi_socket_action", &c->multi_act) &&
           look_up(library, "curl_multi_assign", &c->multi_assign) && look_up(library, "curl_multi_info_read", &c->multi_read) &&
           look_up(library, "curl_global_init", &init) && init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int curl_functions(const struct curl_functions **out, struct fault *f)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"}; /* both have the same interface */
    static struct curl_functions functions;
    static bool open;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !open; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        open = library != NULL && fill(library, &functions);
    }
    if (!open)
        return fault_set(f, ERR_UNSUPPORTED, "downloads, and calls to Ray and Kubernetes, need libcurl, "
                         "which is not on this machine (Debian and Ubuntu: apt-get install libcurl4)");
    *out = &functions;
    return 0;
}
