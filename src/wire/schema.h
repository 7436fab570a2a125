/* All messages between a head and its diallers; those for the head that takes its place are in schema_handoff.h.
 *
 * F(KIND, name, remark) is a field, L(schema, name, remark) a list of structs (struct wire_<schema> *name and uint32_t name_n), S(schema, name,
 * remark) one struct inside. From this table wire.h makes the structs, wire.c the encoder and the decoder. Fields travel in this order, little-endian;
 * text and arrays have a 32-bit count before them. Any change here requires a new WIRE_VERSION. Kinds: U8 U16 U32 U64 I32 F32 F64, STR (bytes, UTF-8
 * by convention), I32S / F32S (arrays), STRS (array of text). */
#ifndef MANTA_WIRE_SCHEMA_H
#define MANTA_WIRE_SCHEMA_H

#include "wire/schema_handoff.h"

/* ---- parts ---- */
#define WIRE_PART_turn(F, L, S) \
    F(STR, role, "system, user, assistant, ...") \
    F(STR, content, "UTF-8") \
    F(STR, extra, "empty, or a JSON object with the turn's other members")

#define WIRE_PART_bias(F, L, S) \
    F(I32, token, "token id") \
    F(F32, bias, "added to the logit") \
    F(STR, text, "not empty: each token of this text, instead of the id")

#define WIRE_PART_sampling(F, L, S) \
    F(F32, temperature, "0: greedy") \
    F(F32, top_p, "1: off") \
    F(F32, min_p, "0: off") \
    F(I32, top_k, "0: off") \
    F(F32, repeat_penalty, "1: off") \
    F(F32, presence_penalty, "0: off") \
    F(F32, frequency_penalty, "0: off") \
    F(I32, penalty_last_n, "tokens considered") \
    F(U64, seed, "key of the counter-based draws") \
    F(U32, max_tokens, "0: until the context is full") \
    F(U8, ignore_eos, "1: generate past end of text") \
    F(U8, logprobs, "1: report log-probabilities") \
    F(U8, top_logprobs, "also report this many most likely tokens") \
    F(U8, prompt_ids, "1: report the prompt's token ids") \
    F(U8, prompt_only, "enum prompt_only: the answer is not wanted") \
    F(U8, prompt_text, "1: report the prompt as text") \
    F(U8, prompt_scores, "1: report the prompt's tokens one by one") \
    F(U8, bare, "enum bare: tokens that are not added to a text or not parsed in it") \
    F(U8, fresh, "1: compute the whole prompt, whatever a cache holds") \
    F(U8, progress, "1: report the progress of the prompt") \
    F(U8, drawn_probs, "1: report the log-probabilities of the draw") \
    F(F32, typical_p, "1: off") \
    F(F32, top_n_sigma, "0 or less: off") \
    F(F32, xtc_probability, "0: off") \
    F(F32, xtc_threshold, "above 0.5: off") \
    F(F32, dynatemp_range, "0: off") \
    F(F32, dynatemp_exponent, "") \
    F(F32, dry_multiplier, "0: off") \
    F(F32, dry_base, "") \
    F(I32, dry_allowed_length, "") \
    F(I32, dry_last_n, "tokens considered; -1: all") \
    F(U32, min_keep, "candidates that a filter leaves; 0: one") \
    F(U32, mirostat, "1, 2: version; 0: off") \
    F(F32, mirostat_tau, "bits") \
    F(F32, mirostat_eta, "") \
    F(U64, order, "of the filters: four bits each, enum sampler; 0: as usual")

#define WIRE_PART_part(F, L, S) \
    F(U8, kind, "enum part_kind") \
    F(U32, call, "number of the tool call") \
    F(U32, bytes, "of the text")

#define WIRE_PART_input(F, L, S) \
    F(STR, text, "one of several texts") \
    F(I32S, tokens, "token ids, used as they are instead of the text")

#define WIRE_PART_load(F, L, S) \
    F(U32, key, "actor, by the worker's own number") \
    F(U32, busy, "slots in use") \
    F(U32, waiting, "jobs accepted and not in a slot yet") \
    F(F32, prefill_tps, "measured prompt tokens per second, one stream; 0: unknown") \
    F(F32, decode_tps, "measured tokens per second of one stream alone; 0: unknown") \
    F(U32, token_age_ms, "since the last token while busy; 0 when idle") \
    F(U32, prefixes, "prompts saved in host memory") \
    F(U64, prefix_bytes, "of prefix_bytes_max, in use") \
    F(U64, restored, "prompts since loading that began with a saved one") \
    F(U64, restored_tokens, "tokens of these that were not computed")

/* ---- dialler -> head ---- */

#define WIRE_MSG_hello(F, L, S) \
    F(U32, proto, "WIRE_VERSION of the sender") \
    F(STR, version, "manta's version, for people") \
    F(U8, role, "enum wire_role") \
    F(STR, token, "join token; empty when the head wants none") \
    F(STR, node, "node name, meant to be unique: worker-laptop-1") \
    F(STR, address, "the node's own address; empty: use the peer's") \
    F(U64, epoch, "random per process start: fences old lives of one node") \
    F(U32, pid, "process id, for people") \
    F(F32, cpus, "processors it may use") \
    F(U64, memory_bytes, "memory limit of the worker") \
    F(STR, cpu_features, "instruction sets the engine uses, for exactness") \
    F(STR, engine, "engine and its version") \
    F(U64, kept_bytes_max, "memory for journals: streams that another head may take over") \
    F(U64, moving_bytes_max, "memory for the KV caches of migrating answers")

#define WIRE_MSG_actor(F, L, S) \
    F(U32, key, "the worker's own number for the actor, from 0") \
    F(U8, state, "enum wire_actor_state") \
    F(U8, kind, "enum request_kind it answers: REQUEST_CHAT (chat and text) or REQUEST_EMBED") \
    F(STR, model, "name requests select it by") \
    F(STR, digest, "SHA-256 of the model file, hex") \
    F(U32, slots, "streams it runs at once") \
    F(U32, context, "tokens per slot") \
    F(U8, exact, "1: batch-invariant mode") \
    F(STR, setup, "exact: how it computes, as measured; equal setups give equal bits. Else empty") \
    F(U8, has_template, "1: the model has a chat template") \
    F(U8, ranks, "1: kind is REQUEST_EMBED, and it says how well a text answers a question") \
    F(STR, family, "architecture, as its file names it; this and the next two once it is ready") \
    F(STR, quantization, "of its weights, as files are named: Q4_K_M") \
    F(U64, parameters, "numbers that it has learned; 0: it does not tell") \
    F(U64, weights_bytes, "mapped from the file, shared between workers of one machine") \
    F(U64, repack_bytes, "repacked weights, a private copy of this worker") \
    F(U64, kv_bytes, "KV cache") \
    F(U64, compute_bytes, "compute buffers") \
    F(F32, progress, "0 ... 1 while loading") \
    F(F32, prefill_tps, "as in load") \
    F(F32, decode_tps, "as in load") \
    F(U64, prefix_bytes_max, "memory for prompts that lost their slots to others") \
    F(U64, prefix_tokens, "tokens that fit into it") \
    F(STR, kv, "format of its KV cells: actors of one file with equal formats can continue each other's; empty: with none") \
    F(STR, note, "why it failed, while state is failed")

#define WIRE_MSG_beat(F, L, S) \
    F(U64, sent_us, "sender's clock, returned in beat_ack") \
    F(U64, rss_bytes, "resident memory of the worker") \
    F(F32, cpu_load, "processors in use over the last interval") \
    F(U32, rtt_us, "round trip of the last acknowledged beat; 0: none yet") \
    F(F32, temperature_c, "hottest sensor of the machine; 0: unknown") \
    F(U64, kept_bytes, "of kept_bytes_max, in use") \
    F(U64, moving_bytes, "of moving_bytes_max, in use") \
    L(load, loads, "one per ready actor")

#define WIRE_MSG_progress(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to") \
    F(U32, prompt_tokens, "tokens of the prompt") \
    F(U32, cached_tokens, "of those, taken from the prefix cache") \
    F(U32, done_tokens, "of those, computed so far or cached") \
    F(F32, prefill_ms, "since the first prompt row")

#define WIRE_MSG_prefilled(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to") \
    F(U32, prompt_tokens, "tokens of the prompt") \
    F(U32, cached_tokens, "of those, taken from the prefix cache") \
    F(F32, queue_ms, "from arrival at the actor to the first prompt row") \
    F(F32, prefill_ms, "from then to the first token") \
    F(I32S, ids, "the prompt's token ids when asked for, else empty") \
    F(STR, text, "the prompt as text when asked for, else empty")

#define WIRE_MSG_tokens(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to") \
    F(U32, first, "index of ids[0] in the answer, or in the prompt, from 0") \
    F(STR, text, "whole UTF-8 characters; may lag behind ids (held back for stop strings) or be empty") \
    L(part, parts, "parts of the text; empty: plain text") \
    F(I32S, ids, "token ids") \
    F(F32S, logprobs, "one per id when asked for, else empty") \
    F(I32S, top_ids, "per id the same number of most likely tokens when asked for, the likeliest first") \
    F(F32S, top_logprobs, "one per top id") \
    F(STRS, pieces, "bytes of each id, followed by those of its top ids; with logprobs, else empty") \
    F(U8, of_prompt, "1: these are tokens of the prompt, before prefilled")

#define WIRE_MSG_done(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to") \
    F(U8, finish, "enum finish") \
    F(U16, error, "-(enum err) when finish is FINISH_ERROR, else 0") \
    F(STR, message, "the error in a sentence") \
    F(U32, count, "for a prompt that is too long: its tokens, or a lower bound; else 0") \
    F(U32, limit, "and the maximum; else 0") \
    F(U32, prompt_tokens, "tokens of the prompt") \
    F(U32, cached_tokens, "of those, from the prefix cache") \
    F(U32, completion_tokens, "tokens generated, the end-of-text token not counted") \
    F(U32, reasoning_tokens, "of those, tokens of separated reasoning") \
    F(F32, prefill_ms, "") \
    F(F32, decode_ms, "first token to last") \
    F(F64, logprob_sum, "sum over the tokens drawn, for the best-of choice; 0 unless sampling.logprobs") \
    F(F32S, embedding, "the vector, for REQUEST_EMBED") \
    F(STR, stop, "the stop string that ended it; empty: none")

#define WIRE_MSG_bye(F, L, S) \
    F(STR, reason, "why the node leaves; its jobs go elsewhere")

#define WIRE_MSG_availability(F, L, S) \
    F(U8, availability, "enum wire_availabilities: whether it takes new jobs") \
    F(U8, moves, "1: running jobs are to move elsewhere now") \
    F(STR, reason, "in a few words, for people")

#define WIRE_MSG_crashed(F, L, S) \
    F(U64, job, "job that an engine was computing when the process crashed") \
    F(U32, attempt, "attempt this belongs to") \
    F(U8, signal, "the signal that ended it") \
    F(U32, company, "jobs that were computed in the same call, including this one")

#define WIRE_MSG_held(F, L, S) \
    F(U64, stream, "from the seek") \
    F(U32, branch, "which of its answers this is about") \
    F(U8, found, "0: nothing of that stream is here; the fields below are empty") \
    F(U32, key, "actor that has it, by the worker's number") \
    F(I32S, ids, "the first tokens of the answer: as many as `said` had for the branch, or all there are") \
    F(STR, run, "the `run` it came with, one whole frame")

#define WIRE_MSG_kv_saved(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to; it has ended with this, unless bytes is 0: then it continues") \
    F(U64, bytes, "size of its saved state, to be pulled; 0: nothing can be moved") \
    F(U64, sum, "checksum of it (base/sum.h)") \
    F(STR, message, "why nothing can be moved")

#define WIRE_MSG_kv_part(F, L, S) \
    F(U64, job, "job id; this message goes both ways") \
    F(U32, attempt, "attempt this belongs to") \
    F(U64, offset, "of the first byte") \
    F(STR, bytes, "empty: the state is gone")

#define WIRE_MSG_kv_ack(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to") \
    F(U64, bytes, "bytes received so far") \
    F(U8, refused, "1: the state is not valid, and the job computes everything")

#define WIRE_MSG_scale_state(F, L, S) \
    F(U32, running, "worker processes alive; WIRE_NOT_KNOWN: `note` says why") \
    F(U32, target, "the number it keeps running") \
    F(U8, policy, "enum wire_scale_policy, and limits: as the last `scale` said, for a head that has none of its own") \
    F(U32, min, "") \
    F(U32, max, "") \
    F(STR, note, "last problem, or empty")

/* ---- head -> dialler ---- */

#define WIRE_MSG_welcome(F, L, S) \
    F(U64, worker, "id the head gave the worker") \
    F(U64, epoch, "random per head process: jobs of an earlier process at this address are not its own") \
    F(STR, version, "manta's version of the head") \
    F(U32, beat_ms, "send a beat this often") \
    F(U32, lost_after_ms, "silence after which either side closes the link")

#define WIRE_MSG_refuse(F, L, S) \
    F(U16, error, "-(enum err)") \
    F(STR, message, "the error and its remedy") \
    F(U8, final, "1: dialling again will not help")

#define WIRE_MSG_actor_ack(F, L, S) \
    F(U32, key, "the worker's number") \
    F(U32, id, "the head's id for the actor: 0, 1, 2, ...")

#define WIRE_MSG_beat_ack(F, L, S) \
    F(U64, sent_us, "from the beat")

#define WIRE_MSG_run(F, L, S) \
    F(U64, job, "job id, unique in this head's life") \
    F(U32, attempt, "1 for the first actor tried") \
    F(U32, key, "actor, by the worker's number") \
    F(U8, kind, "enum request_kind") \
    L(turn, turns, "for REQUEST_CHAT") \
    F(STR, text, "for REQUEST_TEXT and REQUEST_EMBED") \
    F(I32S, tokens, "for these, instead of the text: token ids, used as they are") \
    S(sampling, sampling, "") \
    F(STRS, stops, "stop strings") \
    F(STRS, breakers, "sequence breakers of DRY") \
    L(bias, biases, "") \
    F(U8, form, "enum request_form") \
    F(STR, form_text, "JSON schema, grammar or regular expression, as the client wrote it") \
    F(STR, tools, "JSON array; empty: none") \
    F(U8, tool_choice, "enum tool_choice") \
    F(U8, tool_calls, "enum tool_calls") \
    F(U8, split_reasoning, "1: reasoning comes as a part of its own") \
    F(U8, continues, "1: the last turn is the beginning of the answer") \
    F(U8, closed, "1: the prompt ends with the last turn") \
    F(STR, template_args, "variables of the chat template, a JSON object; empty: none") \
    F(U64, stream, "name of the answer's stream, by which clients resume it; the same at every head; 0: none") \
    F(U32, branch, "which of the stream's answers") \
    F(U32, branches, "how many answers the stream has: some may have begun nowhere when it is resumed") \
    F(U64, claim, "proof of the client that began the stream: stored and returned by the worker; heads derive it from keys") \
    F(U64, scope, "prompt caches are shared only within the same scope: a tenant's number, or 0") \
    F(STR, client, "data with which a head continues the stream: stored and returned by the worker, never read") \
    F(I32S, resume, "tokens of the answer already delivered: continue after them") \
    F(U64, kv_bytes, "size of the state that arrives in kv_parts: wait for it; 0: nothing") \
    F(U64, kv_sum, "checksum of it")

#define WIRE_MSG_cancel(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt to stop")

#define WIRE_MSG_kv_save(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt to stop and save: another actor continues it")

#define WIRE_MSG_kv_pull(F, L, S) \
    F(U64, job, "job id, of a kv_saved") \
    F(U32, attempt, "") \
    F(U64, offset, "from here") \
    F(U32, bytes, "at most this many")

#define WIRE_MSG_kv_drop(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "free its saved state; if it waits for the state: compute it instead")

#define WIRE_MSG_seek(F, L, S) \
    F(U64, stream, "stream that this head does not have: the worker reports what it has") \
    F(I32S, said, "per branch: tokens that the client has") \
    F(U8, taken, "1: its client has not returned; this head replaced the one that had it. A stream that another head has taken meanwhile counts as not found")

#define WIRE_MSG_adopt(F, L, S) \
    F(U64, stream, "continue for this head with the answer that `held` reported") \
    F(U32, branch, "") \
    F(U64, job, "its number here from now on") \
    F(U32, attempt, "") \
    F(U32, said, "tokens that the client has: send what comes after them")

#define WIRE_MSG_cordon(F, L, S) \
    F(U8, on, "1: take no new jobs; 0: take them again")

#define WIRE_MSG_drain(F, L, S) \
    F(U32, grace_ms, "take no new jobs, finish the running ones or give them up after this time, then leave") \
    F(U8, move, "1: the running ones continue elsewhere at once")

#define WIRE_MSG_scale(F, L, S) \
    F(U32, workers, "keep this many worker processes up") \
    F(U8, policy, "enum wire_scale_policy: who sets the number; the launcher repeats it, and the next two fields") \
    F(U32, min, "limits of the number, if the head sets it by load") \
    F(U32, max, "")

#define WIRE_PARTS(P) P(turn) P(bias) P(sampling) P(load) P(part) P(input) P(moved_candidate) P(moved_step)

/* number, name: numbers never change their meaning */
#define WIRE_MESSAGES(M) \
    M(1, hello) M(2, actor) M(3, beat) M(4, prefilled) M(5, tokens) M(6, done) M(7, bye) M(8, scale_state) \
    M(9, availability) M(10, held) M(11, progress) M(16, kv_saved) M(17, kv_part) M(18, kv_ack) M(20, crashed) \
    M(33, welcome) M(34, refuse) M(35, actor_ack) M(36, beat_ack) M(37, run) M(38, cancel) M(39, scale) \
    M(40, seek) M(41, adopt) M(42, cordon) M(43, drain) M(48, kv_save) M(49, kv_pull) M(50, kv_drop) \
    M(64, replace) M(65, yields) M(66, moved_conn) M(67, moved_bytes) M(68, moved_job) M(69, moved_call) M(70, moved_all) M(71, moved_account)

#endif
