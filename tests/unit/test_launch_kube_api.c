/* Requests by kubectl: what it says when they fail, as errors that callers act by. A script stands in for kubectl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "launch/kube_api.h"

static struct {
    struct net_loop *loop;
    struct kube *kube;
    char folder[64], script[80], words[80], out[80];
    struct fault fault;
    char answer[200]; /* "kind" of the JSON */
    unsigned ends;
} w;

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int setup(void **state)
{
    char text[400], path[400];
    (void)state;
    memset(&w, 0, sizeof w);
    snprintf(w.folder, sizeof w.folder, "/tmp/manta-kubectl-XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.script, sizeof w.script, "%s/kubectl", w.folder);
    snprintf(w.words, sizeof w.words, "%s/words", w.folder);
    snprintf(w.out, sizeof w.out, "%s/out", w.folder);
    snprintf(text, sizeof text, "#!/bin/sh\n[ ! -s %s ] || { cat %s >&2; exit 1; }\ncat %s\n", w.words, w.words, w.out);
    write_file(w.script, text);
    assert_int_equal(chmod(w.script, 0700), 0);
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", w.folder);
    setenv("PATH", path, 1);
    struct kube_config cfg = {.namespace = "ai", .context = "", .server = "", .token_file = "", .ca_file = ""};
    w.loop = net_loop_new();
    assert_int_equal(kube_open(w.loop, &cfg, &w.kube, &w.fault), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kube_close(w.kube);
    net_loop_free(w.loop);
    unlink(w.script);
    unlink(w.words);
    unlink(w.out);
    rmdir(w.folder);
    return 0;
}

static void on_done(const json_t *json, const struct fault *f, void *user_data)
{
    (void)user_data;
    w.ends++;
    w.fault = *f;
    snprintf(w.answer, sizeof w.answer, "%s", json != NULL ? json_string_value(json_object_get(json, "kind")) : "");
    net_loop_stop(w.loop);
}

static int ask(const char *words, const char *out)
{
    write_file(w.words, words);
    write_file(w.out, out);
    w.ends = 0;
    kube_call(w.kube, "GET", "/api/v1/namespaces/ai/pods", NULL, "list the pods", on_done, NULL);
    net_loop_run(w.loop);
    assert_int_equal(w.ends, 1);
    return w.fault.err;
}

/* Given each thing that kubectl says; then what passes by itself (nobody there, no answer in time) is told from what a person has to mend. */
static void its_words_are_errors(void **state)
{
    static const struct { const char *words; int err; } cases[] = {
        {"The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?", ERR_UNAVAILABLE},
        {"Unable to connect to the server: dial tcp: lookup nowhere.example on 10.0.0.53:53: no such host", ERR_UNAVAILABLE},
        {"Unable to connect to the server: read tcp 10.0.0.2:39360->10.0.0.1:6443: read: connection reset by peer", ERR_UNAVAILABLE},
        {"Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: no route to host", ERR_UNAVAILABLE},
        {"Unable to connect to the server: EOF", ERR_UNAVAILABLE},
        {"Unable to connect to the server: context deadline exceeded", ERR_TIMEOUT},
        {"Unable to connect to the server: net/http: TLS handshake timeout", ERR_TIMEOUT},
        {"Unable to connect to the server: net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
         ERR_TIMEOUT},
        {"Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout", ERR_TIMEOUT},
        {"Error from server (Timeout): the server was unable to return a response in the time allotted", ERR_TIMEOUT},
        {"Error from server (InternalError): an error on the server has prevented the request from succeeding", ERR_UNAVAILABLE},
        {"Error from server (ServiceUnavailable): the server is currently unable to handle the request", ERR_UNAVAILABLE},
        {"Error from server (TooManyRequests): the server has received too many requests", ERR_BUSY},
        {"Error from server (Forbidden): pods is forbidden: User \"x\" cannot list resource \"pods\"", ERR_FORBIDDEN},
        {"error: You must be logged in to the server (Unauthorized)", ERR_AUTH},
        {"Error from server (NotFound): statefulsets.apps \"manta-worker\" not found", ERR_NOT_FOUND},
        {"The request is invalid: spec.replicas: Invalid value: -1", ERR_INVALID},
        {"Error from server (Conflict): the object has been modified", ERR_IN_USE},
        {"Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority", ERR_FAILED},
        {"error: context \"nowhere\" does not exist", ERR_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char start[120];
        int err = ask(cases[i].words, "");
        if (err != cases[i].err)
            fail_msg("'%s' is %s", cases[i].words, err_name(err));
        snprintf(start, sizeof start, "cannot list the pods: %.60s", cases[i].words);
        assert_memory_equal(w.fault.text, start, strlen(start));
    }
}

static void answers_are_json(void **state)
{
    (void)state;
    assert_int_equal(ask("", "{\"kind\":\"PodList\",\"items\":[]}"), 0);
    assert_string_equal(w.answer, "PodList");
    assert_int_equal(ask("", "<html>a proxy's page</html>"), ERR_PROTOCOL);
    assert_int_equal(ask("", ""), ERR_PROTOCOL);
}

static void no_kubectl_is_told(void **state)
{
    (void)state;
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(ask("", ""), ERR_UNSUPPORTED);
    assert_non_null(strstr(w.fault.text, "there is no kubectl in the path: install it"));
}

int main(void)
{
    unsetenv("KUBERNETES_SERVICE_HOST");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_words_are_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_are_json, setup, teardown),
        cmocka_unit_test_setup_teardown(no_kubectl_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
