/* Every limit of a head in one table: name, value, unit, the flag that sets it, and what happens
 * beyond it or who gives way.
 *
 * /manta/status, `manta status --limits` and docs/settings.md are made from this table; a new limit
 * is a row here and nothing else. The values are expressions that only head/status.c evaluates: `c`
 * is the brain's configuration, `p` the program. */
#ifndef MANTA_BASE_LIMITS_H
#define MANTA_BASE_LIMITS_H

/* clang-format off
   name, value, unit, flag (empty: fixed), what happens then */
#define LIMITS(L) \
    L(queue_jobs_max, c->queue_jobs_max, "jobs", "queue-jobs", "prompts that may wait; the next one is refused, 429") \
    L(queue_bytes_max, c->queue_bytes_max, "bytes", "queue-bytes", "prompts that wait or run, with their records; the next one is refused, 429") \
    L(queue_deadline_ms, c->queue_deadline_ms, "ms", "queue-deadline-ms", "wait for an actor, unless the request names another deadline; then it ends, 503 or 504") \
    L(priority_max, REQUEST_PRIORITY_MAX, "", "", "priorities go from minus this to this; another one is refused, 400") \
    L(priority_step_ms, c->priority_step_ms, "ms", "", "what one step of priority is worth in waiting time") \
    L(tenants_max, c->tenants_max, "tenants", "", "names remembered; those idle longest are forgotten, and newcomers share the common tenant while all are in use") \
    L(tenant_name_bytes_max, HEAD_TENANT_NAME_BYTES_MAX, "bytes", "", "length of a tenant's name; a longer one is refused, 400") \
    L(tenant_share, HEAD_TENANT_SHARE, "times", "", "a tenant's waiting prompts, as a multiple of the room left for others; more are refused, 429") \
    L(tenant_labels, HEAD_TENANT_LABELS, "tenants", "", "tenants with lines of their own in metrics and status; later ones are counted together") \
    L(api_keys_max, KEYS_MAX, "keys", "", "API keys of a head; more are an error at the start") \
    L(client_request_id_bytes_max, CLIENT_ID_BYTES_MAX, "bytes", "", "length of a client's own request id; a longer one is not kept") \
    L(accounts_max, ACCOUNTS_MAX, "requests", "", "requests of which is kept what became of them; the oldest that ended is forgotten") \
    L(attempts_max, c->attempts_max, "attempts", "", "attempts in a row that bring no token; then the answer ends with the last error") \
    L(moves_max, c->moves_max, "attempts", "", "attempts in all; then the answer ends with the last error") \
    L(poison_crashes, HEAD_POISON_CRASHES, "workers", "", "workers that one request may crash, the last one alone; then it is refused, 422") \
    L(clear_tokens, HEAD_CLEAR_TOKENS, "tokens", "", "tokens beyond the place of a crash that clear a request") \
    L(eject_after_failures, HEAD_EJECT_AFTER, "failures", "", "failures in a row after which an actor gets one job at a time") \
    L(rest_first_ms, HEAD_REST_FIRST_MS, "ms", "", "pause of an actor after its first failure; doubles with each") \
    L(rest_max_ms, HEAD_REST_MAX_MS, "ms", "", "longest pause of an actor that fails") \
    L(resume_bytes_max, c->resume_bytes_max, "bytes", "", "ids of delivered tokens, of all answers; an answer beyond it cannot continue elsewhere") \
    L(resume_tokens_max, HEAD_RESUME_TOKENS_MAX, "tokens", "", "delivered tokens of one answer; a longer one cannot continue elsewhere") \
    L(regroup_ms, c->regroup_ms, "ms", "", "pause of a job that lost its actor: workers die in bunches") \
    L(seeks_max, c->seeks_max, "streams", "", "streams of other heads that are looked for at once; the next one is refused, 429") \
    L(seek_ms, c->seek_ms, "ms", "", "time for a worker that has the stream to join; then it is not found, 404") \
    L(handoff_ms, c->handoff_ms, "ms", "", "time for the workers of a replaced head to come back; then its answers are computed again") \
    L(seek_anew_ms, c->anew_ms, "ms", "", "as seek_ms, when the client has received nothing and re-sent its request; then it is computed") \
    L(seek_gather_ms, c->gather_ms, "ms", "", "after the first worker reports a stream, wait for reports from others") \
    L(settle_ms, c->settle_ms, "ms", "", "after the head's start: how long a request for an unknown model waits for its workers; then 404") \
    L(memory_bytes_max, memory_bytes_max(p), "bytes", "", "the head's memory: the sum of its parts in `memory`, each with who gives way") \
    L(answer_bytes_max, p->o->answer_bytes_max, "bytes", "answer-bytes", "answers that are not sent yet; the call with the most of them ends, 429") \
    L(stored_bytes_max, STORED_BYTES_MAX, "bytes", "", "stored responses; the oldest of the tenant with the most is forgotten") \
    L(watchers_max, WATCHERS_MAX, "clients", "", "pages and programs that follow /manta/events; the next one is refused, 503") \
    L(watch_every_ms, WATCH_EVERY_MS, "ms", "", "between two states that they are told") \
    L(watch_bytes_per_s, WATCH_BYTES_PER_S, "bytes/s", "", "what all of them are told together; more comes less often") \
    L(pending_bytes_max, HEAD_PENDING_BYTES_MAX, "bytes", "", "bytes the network has not taken, of all connections; the one with the most is cut") \
    L(link_bytes_max, HEAD_LINKS_BYTES_MAX, "bytes", "", "unfinished frames of workers; the link with the longest is closed") \
    L(kv_moves_max, c->kv_moves_max, "jobs", "", "KV migrations at once; others wait") \
    L(kv_stall_ms, c->kv_stall_ms, "ms", "", "a KV migration that makes no progress for this long is abandoned, and the answer computed") \
    L(rebalance, c->rebalance, "", "rebalance", "1: an answer may leave a slow or crowded actor for an idle one") \
    L(rebalance_every_ms, c->rebalance_every_ms, "ms", "", "between two such moves of one model") \
    L(rebalance_again_ms, c->rebalance_again_ms, "ms", "", "between two such moves of one answer") \
    L(kv_bytes_max, WIRE_KV_BYTES_MAX, "bytes", "", "KV cache of one answer that migrates; more is computed again") \
    L(kv_part_bytes, WIRE_KV_PART_BYTES, "bytes", "", "part of it in one frame") \
    L(links_max, c->links_max, "links", "", "workers and launchers; the next one is refused") \
    L(newcomers_max, c->newcomers_max, "links", "", "connections that have not said hello; the oldest of the address with the most gives way") \
    L(actors_max, c->actors_max, "actors", "", "actors; the next one is refused") \
    L(fanout_max, c->fanout_max, "answers", "", "answers of one request; more are refused, 400") \
    L(beat_ms, c->beat_ms, "ms", "beat-ms", "heartbeat of workers") \
    L(lost_after_ms, c->lost_after_ms, "ms", "lost-after-ms", "silence after which a worker is lost and its answers continue elsewhere") \
    L(hello_ms, c->hello_ms, "ms", "", "time to say hello; then the connection is closed") \
    L(token_stall_ms, c->token_stall_ms, "ms", "token-stall-ms", "a busy actor without a token for this long is hung, and its answers continue elsewhere") \
    L(token_floor_ms, c->token_floor_ms, "ms", "", "the same for one of known speed, at the soonest") \
    L(worker_actors_max, HEAD_WORKER_ACTORS_MAX, "actors", "", "actors of one worker; more end its connection") \
    L(actor_slots_max, HEAD_SLOTS_MAX, "slots", "", "slots of one actor; more end its worker's connection") \
    L(actor_prefill_tps_max, HEAD_PREFILL_TPS_MAX, "tokens/s", "", "speed an actor is believed") \
    L(actor_prefix_tokens_max, HEAD_PREFIX_TOKENS_MAX, "tokens", "", "prompts beside its slots an actor is believed to keep") \
    L(actor_decode_tps_max, HEAD_DECODE_TPS_MAX, "tokens/s", "", "speed of one stream an actor is believed") \
    L(model_names_max, HEAD_MODELS_MAX, "names", "", "names of models remembered; the oldest without an actor are forgotten") \
    L(request_bytes_max, HEAD_REQUEST_BYTES_MAX, "bytes", "", "one prompt with everything, as it is sent to a worker; a larger one is refused, 413") \
    L(scale_max, HEAD_SCALE_MAX, "workers", "", "workers that one may ask a launcher for; more are refused, 400") \
    L(drain_grace_s, p->o->drain_grace_s, "s", "drain-grace", "after SIGTERM, time for answers to end; then they continue elsewhere") \
    L(form_bytes_max, REQUEST_FORM_BYTES_MAX, "bytes", "", "a grammar, schema or expression; a larger one is refused, 413") \
    L(mixed_texts_max, REQUEST_MIXED_TEXTS_MAX, "texts", "", "among the token ids of one prompt; more are refused, 400") \
    L(biases_max, REQUEST_BIASES_MAX, "biases", "", "of one request (logit_bias); more are refused, 400") \
    L(bias_bytes_max, REQUEST_BIAS_BYTES_MAX, "bytes", "", "text of a bias; a longer one is refused, 400") \
    L(bias_tokens_max, REQUEST_BIAS_TOKENS_MAX, "tokens", "", "tokens of such texts, of one request; more are refused, 400") \
    L(tools_max, API_TOOLS_MAX, "tools", "", "tools of one request; more are refused, 400") \
    L(tools_bytes_max, REQUEST_TOOLS_BYTES_MAX, "bytes", "", "tools of one request together; larger ones are refused, 413") \
    L(calls_max, API_CALLS_MAX, "calls", "", "calls of tools in one message; more are refused, 400") \
    L(template_args_bytes_max, REQUEST_TEMPLATE_ARGS_BYTES_MAX, "bytes", "", "variables of a chat template; larger ones are refused, 413") \
    L(drain_grace_s_max, API_GRACE_S_MAX, "s", "", "longest grace that a drain may name") \
    L(http_held_bytes_max, HTTP_HELD_BYTES_MAX, "bytes", "", "unfinished requests of all clients; the greediest gives way, 503") \
    L(http_body_bytes_max, HTTP_BODY_BYTES_MAX, "bytes", "", "body of a request; a larger one is refused before it is read, 413") \
    L(http_head_bytes_max, HTTP_HEAD_BYTES_MAX, "bytes", "", "request line and headers; more are refused, 431") \
    L(http_connections_max, http_server_conns_max(p->server), "connections", "", "connections of clients; an idle one of the address with the most is closed") \
    L(http_connections_kept, HTTP_CONNS_KEPT, "connections", "", "more of them for health checks and operators") \
    L(http_chunks_bytes, HTTP_CHUNKS_BYTES, "bytes", "", "frames of chunks beside a body; more are refused, 413") \
    L(http_request_ms, HTTP_REQUEST_MS, "ms", "", "from the first byte of a request to its last; then 408") \
    L(json_depth_max, API_JSON_DEPTH_MAX, "levels", "", "nesting of a request's JSON; deeper is refused, 400") \
    L(reply_text_bytes_max, REPLY_TEXT_BYTES_MAX, "bytes", "", "text of one answer that is kept; a longer one ends with an error") \
    L(reply_json_bytes_max, REPLY_JSON_BYTES_MAX, "bytes", "", "one answer as JSON; a larger one is an error, 413") \
    L(wire_frame_bytes_max, WIRE_FRAME_BYTES_MAX, "bytes", "", "one message between head and worker; a longer one ends the connection") \
    L(wire_tokens_bytes_max, WIRE_TOKENS_BYTES_MAX, "bytes", "", "one message of tokens; a longer one ends the connection") \
    L(connection_pending_bytes_max, NET_PENDING_BYTES_MAX, "bytes", "", "unsent bytes of one connection; then it is cut") \
    L(loop_turn_us, NET_TURN_US, "us", "", "processor time of a turn of the loop; what can wait waits for the next one") \
    L(log_bytes_max, LOG_BYTES_MAX, "bytes", "", "log lines that their reader has not taken; the oldest are dropped, and their number is told") \
    L(log_line_bytes_max, LOG_LINE_BYTES_MAX, "bytes", "", "one log line; the sentence is cut, never the event") \
    L(log_peer_lines, LOG_PEER_LINES, "lines", "", "lines of one kind that strangers cause at once; more are counted") \
    L(log_peer_every_ms, LOG_PEER_EVERY_MS, "ms", "", "one more of them in this time")
/* clang-format on */

#endif
