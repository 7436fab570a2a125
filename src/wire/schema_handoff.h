/* The messages between a head and the head that takes its place, over a unix socket (net/fdpass.c), never over a link; and back. A part of
 * schema.h, in its form. Any change here counts up WIRE_HANDED. */
#ifndef MANTA_WIRE_SCHEMA_HANDOFF_H
#define MANTA_WIRE_SCHEMA_HANDOFF_H

#define WIRE_MSG_replace(F, L, S) \
    F(U32, format, "of what follows: WIRE_HANDED") \
    F(STR, version, "manta's version of the new head, for people") \
    F(U32, pid, "the new head's process, for people")

#define WIRE_MSG_yields(F, L, S) \
    F(U32, workers, "joined workers, which will dial the new head; the listener is attached")

#define WIRE_MSG_moved_conn(F, L, S) \
    F(U8, stage, "enum http_stage; the connection is attached") \
    F(U8, keep_alive, "as in struct http_state, as are the next three") \
    F(U8, old, "") \
    F(U8, head_only, "") \
    F(U8, continued, "") \
    F(STR, lines, "header lines for the answer") \
    F(U32, came_bytes, "bytes of an incomplete request, or after one; these and the next follow in moved_bytes") \
    F(U32, unsent_bytes, "of answers") \
    F(U8, asks, "1: a client waits here for an answer: its moved_jobs and moved_account follow, then its moved_call")

#define WIRE_MSG_moved_bytes(F, L, S) \
    F(STR, bytes, "the next of the announced bytes")

#define WIRE_MSG_moved_job(F, L, S) \
    F(U32, branch, "number of the answer within the call") \
    F(U32, attempt, "0: it was never sent to a worker") \
    F(U32, barren_attempts, "attempts that have ended since the last one that brought a token") \
    F(U32, said, "tokens that the client has") \
    F(I32S, ids, "their ids; empty if they were too many to keep") \
    F(STR, same_file, "pool of the actors that may continue it (brain/registry/compatible.c); empty: all") \
    F(STR, same_bits, "pool of the actors that continue it with the same bits; empty: none")

#define WIRE_MSG_moved_call(F, L, S) \
    F(U64, name, "name of the answer, and of its stream for clients") \
    F(U64, stream, "its name at workers; as in run, like the next field") \
    F(U64, claim, "") \
    F(U64, owner, "number of its tenant") \
    F(U8, admin, "1: its client may see nodes' addresses") \
    F(STR, places, "the client's position, as in an event's id") \
    F(U64, started, "one bit per branch whose start the client was told") \
    F(U8, begun, "1: part of the answer had arrived") \
    F(U8, seeks, "1: the head was searching for it at the workers; continue") \
    F(U32, total, "number of branches, as far as known") \
    F(U8, base64, "embeddings: as in the request, like the next field") \
    F(U32, dimensions, "") \
    F(STR, client_id, "the X-Request-Id that the client sent, or empty") \
    F(U64, age_us, "since it arrived") \
    F(STR, client, "the note of its request (head/note.c)") \
    F(STR, run, "the request, as a complete frame of `run`; empty: the client did not send it") \
    F(U8, known, "enum wire_known: the state of its model at the old head") \
    F(STR, model, "parts of a request that are not in `run`, like the next four fields") \
    F(STR, affinity, "") \
    F(STR, tenant, "") \
    F(I32, priority, "") \
    L(input, inputs, "") \
    F(U32, count, "requested branches") \
    F(U8, spread, "1: on different actors") \
    F(U8, spread_pending, "1: one job represents all branches; none has begun") \
    F(U32, deadline_ms, "time limit for leaving the queue") \
    F(U64, seq, "its place in the order of arrival") \
    F(U8, reported, "1: output was reported: it can no longer fail as a whole") \
    F(U32, branches, "branches made so far; one without a moved_job has ended")

#define WIRE_PART_moved_candidate(F, L, S) \
    F(STR, node, "as in struct fx_candidate, without its actor: that number is its head's own") \
    F(U32, busy, "") \
    F(U32, slots, "") \
    F(F64, first_s, "") \
    F(F64, cost_s, "") \
    F(U32, prompt_tokens, "") \
    F(U32, cached_tokens, "") \
    F(U32, ahead_tokens, "") \
    F(U8, session, "") \
    F(U8, avoided, "")

#define WIRE_PART_moved_step(F, L, S) \
    F(U64, at_us, "as in struct account_step, without its actor") \
    F(U8, kind, "enum account_step_kind") \
    F(U32, branch, "") \
    F(U32, tokens, "") \
    F(U32, attempt, "") \
    F(U32, queued, "") \
    F(F32, wait_ms, "") \
    F(STR, why, "") \
    F(STR, node, "") \
    F(STR, text, "") \
    L(moved_candidate, candidates, "")

#define WIRE_MSG_moved_account(F, L, S) \
    F(STR, id, "as in struct account (head/account.h): of the next moved_call, or of a request that has ended") \
    F(STR, client_id, "") \
    F(STR, model, "") \
    F(STR, tenant, "") \
    F(U64, owner, "") \
    F(U8, shape, "") \
    F(U8, stream, "") \
    F(U8, ended, "") \
    F(U64, created, "") \
    F(I32, status, "") \
    F(F64, total_s, "") \
    F(F64, first_s, "") \
    F(F64, queue_s, "") \
    F(U32, prompt_tokens, "") \
    F(U32, cached_tokens, "") \
    F(U32, tokens, "") \
    F(STR, node, "") \
    F(STR, finish, "") \
    F(STR, error, "") \
    L(moved_step, steps, "") \
    F(U32, steps_left_out, "")

#define WIRE_MSG_moved_all(F, L, S) \
    F(U32, conns, "old head: everything was sent; new head: everything has arrived; old head: the new head takes over") \
    F(U32, calls, "")

#endif
