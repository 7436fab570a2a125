/* All messages between a head and its diallers, or the head that takes its place, in one table.
 *
 * F(KIND, name, remark) is a field, L(schema, name, remark) a list of structs (struct wire_<schema> *name and uint32_t name_n), S(schema, name,
 * remark) one struct inside. From this table wire.h makes the structs, wire.c the encoder and the decoder. Fields travel in this order, little-endian;
 * text and arrays have a 32-bit count before them. Any change here requires a new WIRE_VERSION. Kinds: U8 U16 U32 U64 I32 F32 F64, STR (bytes, UTF-8
 * by convention), I32S / F32S (arrays), STRS (array of text). */
#ifndef MANTA_WIRE_SCHEMA_H
#define MANTA_WIRE_SCHEMA_H
/* ---- parts ---- */

#define WIRE_PART_turn(F, L, S) \
    F(STR, role, "system, user, assistant, ...") \
    F(STR, content, "UTF-8") \
    F(STR, extra, "empty, or what else is said of it: a JSON object")

#define WIRE_PART_bias(F, L, S) \
    F(I32, token, "token id") \
    F(F32, bias, "added to the logit")

#define WIRE_PART_sampling(F, L, S) \
    F(F32, temperature, "0: greedy") \
    F(F32, top_p, "1: off") \
    F(F32, min_p, "0: off") \
    F(I32, top_k, "0: off") \
    F(F32, repeat_penalty, "1: off") \
    F(F32, presence_penalty, "0: off") \
    F(F32, frequency_penalty, "0: off") \
    F(I32, penalty_last_n, "tokens looked back on") \
    F(U64, seed, "key of the counter-based draws") \
    F(U32, max_tokens, "0: until the context is full") \
    F(U8, ignore_eos, "1: generate past end of text") \
    F(U8, logprobs, "1: report log-probabilities") \
    F(U8, top_logprobs, "of so many most likely tokens, too") \
    F(U8, prompt_ids, "1: report the prompt's token ids") \
    F(U8, prompt_only, "enum prompt_only: the answer is not wanted") \
    F(U8, prompt_text, "1: report the prompt as text") \
    F(U8, prompt_scores, "1: report the prompt's tokens one by one") \
    F(U8, bare, "enum bare: which tokens are not added or not read from a text") \
    F(U8, fresh, "1: whatever a cache holds of the prompt") \
    F(U8, progress, "1: report how far the prompt is") \
    F(U8, drawn_probs, "1: log-probabilities are those of the draw") \
    F(F32, typical_p, "1: off") \
    F(F32, top_n_sigma, "0 or less: off") \
    F(F32, xtc_probability, "0: off") \
    F(F32, xtc_threshold, "above 0.5: off") \
    F(F32, dynatemp_range, "0: off") \
    F(F32, dynatemp_exponent, "") \
    F(F32, dry_multiplier, "0: off") \
    F(F32, dry_base, "") \
    F(I32, dry_allowed_length, "") \
    F(I32, dry_last_n, "tokens looked back on; -1: all") \
    F(U32, min_keep, "candidates that a filter leaves; 0: one") \
    F(U64, order, "of the filters: four bits each, enum sampler; 0: as usual")

#define WIRE_PART_part(F, L, S) \
    F(U8, kind, "enum part_kind") \
    F(U32, call, "number of the tool call") \
    F(U32, bytes, "of the text")

#define WIRE_PART_input(F, L, S) \
    F(STR, text, "one of several texts") \
    F(I32S, tokens, "instead of the text, token ids as they are")

#define WIRE_PART_load(F, L, S) \
    F(U32, key, "actor, by the worker's own number") \
    F(U32, busy, "slots in use") \
    F(U32, waiting, "jobs accepted and not in a slot yet") \
    F(F32, prefill_tps, "measured prompt tokens per second, one stream; 0: unknown") \
    F(F32, decode_tps, "measured tokens per second of one stream alone; 0: unknown") \
    F(U32, token_age_ms, "since the last token while busy; 0 when idle") \
    F(U32, prefixes, "prompts kept beside the slots") \
    F(U64, prefix_bytes, "of prefix_bytes_max, in use") \
    F(U64, restored, "prompts since it was loaded that one of those began") \
    F(U64, restored_tokens, "of their tokens, which were not computed")

/* ---- dialler -> head ---- */

#define WIRE_MSG_hello(F, L, S) \
    F(U32, proto, "WIRE_VERSION of the sender") \
    F(STR, version, "manta's version, for people") \
    F(U8, role, "enum wire_role") \
    F(STR, token, "join token; empty when the head wants none") \
    F(STR, node, "node name, unique by intention: worker-laptop-1") \
    F(STR, address, "address of the node as it sees itself; empty: take the peer's") \
    F(U64, epoch, "random per process start: fences old lives of one node") \
    F(U32, pid, "process id, for people") \
    F(F32, cpus, "processors it may use") \
    F(U64, memory_bytes, "memory limit of the worker") \
    F(STR, cpu_features, "instruction sets the engine uses, for exactness") \
    F(STR, engine, "engine and its version") \
    F(U64, kept_bytes_max, "of the memory, for streams kept for heads that take them over") \
    F(U64, moving_bytes_max, "of the memory, for what is computed of answers that come and go")

#define WIRE_MSG_actor(F, L, S) \
    F(U32, key, "the worker's own number for the actor, from 0") \
    F(U8, state, "enum wire_actor_state") \
    F(U8, kind, "enum request_kind it answers: REQUEST_CHAT (chat and text) or REQUEST_EMBED") \
    F(STR, model, "name requests select it by") \
    F(STR, digest, "SHA-256 of the model file, hex") \
    F(U32, slots, "streams it runs at once") \
    F(U32, context, "tokens per slot") \
    F(U8, exact, "1: batch-invariant mode") \
    F(STR, setup, "exact: how it computes, as it measured it; equal ones give equal bits. Else empty") \
    F(U8, has_template, "1: the model has a chat template") \
    F(U8, ranks, "1: kind is REQUEST_EMBED, and it says how well a text answers a question") \
    F(STR, family, "architecture, as its file names it; this and the next two once it is ready") \
    F(STR, quantization, "of its weights, as files are named: Q4_K_M") \
    F(U64, parameters, "numbers that it has learned; 0: it does not tell") \
    F(U64, weights_bytes, "mapped from the file, shared between workers of one machine") \
    F(U64, repack_bytes, "weights in another layout, a copy of this worker's own") \
    F(U64, kv_bytes, "KV cache") \
    F(U64, compute_bytes, "compute buffers") \
    F(F32, progress, "0 ... 1 while loading") \
    F(F32, prefill_tps, "as in load") \
    F(F32, decode_tps, "as in load") \
    F(U64, prefix_bytes_max, "memory for prompts that lost their slots to others") \
    F(U64, prefix_tokens, "tokens that has room for") \
    F(STR, kv, "what its streams' cells are like: actors of one file whose words agree can continue each other's; empty: with none") \
    F(STR, note, "why it failed, while state is failed")

#define WIRE_MSG_beat(F, L, S) \
    F(U64, sent_us, "sender's clock, comes back in beat_ack") \
    F(U64, rss_bytes, "resident memory of the worker") \
    F(F32, cpu_load, "processors in use over the last interval") \
    F(U32, rtt_us, "round trip of the last beat that came back; 0: none yet") \
    F(F32, temperature_c, "hottest sensor of the machine; 0: it does not tell") \
    F(U64, kept_bytes, "of kept_bytes_max, in use") \
    F(U64, moving_bytes, "of moving_bytes_max, in use") \
    L(load, loads, "one per ready actor")

#define WIRE_MSG_progress(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to") \
    F(U32, prompt_tokens, "tokens of the prompt") \
    F(U32, cached_tokens, "of those, taken from the prefix cache") \
    F(U32, done_tokens, "of those, computed by now, and the cached ones") \
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
    L(part, parts, "what the text is made of; empty: of nothing but text") \
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
    F(U32, count, "of a prompt that is too long: its tokens, or the least it has; else 0") \
    F(U32, limit, "and the most it may have; else 0") \
    F(U32, prompt_tokens, "tokens of the prompt") \
    F(U32, cached_tokens, "of those, from the prefix cache") \
    F(U32, completion_tokens, "tokens generated, the end-of-text token not counted") \
    F(U32, reasoning_tokens, "of those, the ones that the model thought with, where its reasoning comes apart") \
    F(F32, prefill_ms, "") \
    F(F32, decode_ms, "first token to last") \
    F(F64, logprob_sum, "sum over the tokens drawn, for the best-of choice; 0 unless sampling.logprobs") \
    F(F32S, embedding, "the vector, for REQUEST_EMBED") \
    F(STR, stop, "the stop string that ended it; empty: none did")

#define WIRE_MSG_bye(F, L, S) \
    F(STR, reason, "why the node leaves; its jobs go elsewhere")

#define WIRE_MSG_duty(F, L, S) \
    F(U8, duty, "enum wire_duties: whether it takes new jobs") \
    F(U8, moves, "1: what runs shall go elsewhere now") \
    F(STR, reason, "in a few words, for people")

#define WIRE_MSG_crashed(F, L, S) \
    F(U64, job, "job that an engine was computing when the process crashed: its last words") \
    F(U32, attempt, "attempt this belongs to") \
    F(U8, signal, "what it died of") \
    F(U32, company, "jobs that were computed in the same call, this one counted")

#define WIRE_MSG_held(F, L, S) \
    F(U64, stream, "from the seek") \
    F(U32, branch, "which of its answers this is about") \
    F(U8, found, "0: nothing of that stream is here, the fields below are empty") \
    F(U32, key, "actor that has it, by the worker's number") \
    F(I32S, ids, "the tokens that the client has, as many as `said` had for the branch, or as there are") \
    F(STR, run, "the `run` it came with, one whole frame")

#define WIRE_MSG_kv_saved(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to; it has ended with this, unless bytes is 0: then it continues") \
    F(U64, bytes, "what is computed of it, to be pulled; 0: nothing can be moved") \
    F(U64, sum, "checksum of it (base/sum.h)") \
    F(STR, message, "why nothing can be moved")

#define WIRE_MSG_kv_part(F, L, S) \
    F(U64, job, "job id; this message goes both ways") \
    F(U32, attempt, "attempt this belongs to") \
    F(U64, offset, "of the first byte") \
    F(STR, bytes, "empty: it is not here any more")

#define WIRE_MSG_kv_ack(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt this belongs to") \
    F(U64, bytes, "of what is to come are here") \
    F(U8, refused, "1: they are not what they should be, and the job computes them")

#define WIRE_MSG_scale_state(F, L, S) \
    F(U32, running, "worker processes alive; WIRE_NOT_KNOWN: `note` says why") \
    F(U32, target, "how many it keeps up") \
    F(U8, policy, "enum wire_scale_policy, and limits: as the last `scale` said, for a head that has none of its own") \
    F(U32, min, "") \
    F(U32, max, "") \
    F(STR, note, "last problem, or empty")

/* ---- head -> dialler ---- */

#define WIRE_MSG_welcome(F, L, S) \
    F(U64, worker, "id the head gave the worker") \
    F(U64, epoch, "random per head process: the jobs of another one at this address are not its own") \
    F(STR, version, "manta's version of the head") \
    F(U32, beat_ms, "send a beat this often") \
    F(U32, lost_after_ms, "silence after which either side gives the link up")

#define WIRE_MSG_refuse(F, L, S) \
    F(U16, error, "-(enum err)") \
    F(STR, message, "what was wrong and what would be right") \
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
    F(I32S, tokens, "for the same: instead of the text, token ids as they are") \
    S(sampling, sampling, "") \
    F(STRS, stops, "stop strings") \
    F(STRS, breakers, "texts that no repetition reaches over, for DRY") \
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
    F(U64, stream, "name of the answer's stream for whoever wants it to continue; the same at every head; 0: none") \
    F(U32, branch, "which of the stream's answers") \
    F(U32, branches, "how many answers the stream has: some may have begun nowhere when it is resumed") \
    F(U64, claim, "proof that it is of the client that began the stream: kept and given back by the worker; heads derive it from keys") \
    F(U64, scope, "whose cached prompts it may use, and who may use its own: a tenant's number; 0: all with a 0") \
    F(STR, client, "what a head needs to continue the stream: kept and given back by the worker, never read") \
    F(I32S, resume, "tokens of the answer already delivered: continue after them") \
    F(U64, kv_bytes, "so much of what another actor computed of it comes in kv_parts: wait for that; 0: nothing") \
    F(U64, kv_sum, "checksum of it")

#define WIRE_MSG_cancel(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt to stop")

#define WIRE_MSG_kv_save(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "attempt that shall stop here and be kept: another actor continues what is computed of it")

#define WIRE_MSG_kv_pull(F, L, S) \
    F(U64, job, "job id, of a kv_saved") \
    F(U32, attempt, "") \
    F(U64, offset, "from here") \
    F(U32, bytes, "so many, or as many as there are")

#define WIRE_MSG_kv_drop(F, L, S) \
    F(U64, job, "job id") \
    F(U32, attempt, "what was kept of it is not wanted any more; where it waits for it: no more comes, compute it")

#define WIRE_MSG_seek(F, L, S) \
    F(U64, stream, "whose stream is not here: what do you have of it?") \
    F(I32S, said, "per branch: tokens that the client has") \
    F(U8, taken, "1: its client has not come again; this head took the place of the one that had it. What is another head's by now is not told of")

#define WIRE_MSG_adopt(F, L, S) \
    F(U64, stream, "continue for this head with what `held` told of") \
    F(U32, branch, "") \
    F(U64, job, "its number here from now on") \
    F(U32, attempt, "") \
    F(U32, said, "tokens that the client has: tell what comes after them")

#define WIRE_MSG_cordon(F, L, S) \
    F(U8, on, "1: take no new jobs; 0: take them again")

#define WIRE_MSG_drain(F, L, S) \
    F(U32, grace_ms, "take no new jobs, end those that run or give them up after so long, then leave") \
    F(U8, move, "1: those that run shall continue elsewhere at once")

#define WIRE_MSG_scale(F, L, S) \
    F(U32, workers, "keep this many worker processes up") \
    F(U8, policy, "enum wire_scale_policy: who decides on the number; to be repeated, as are the next two") \
    F(U32, min, "of what the head will ask for, where it decides by the load") \
    F(U32, max, "")

/* ---- a head -> the head that takes its place, and back: over a unix socket (net/fdpass.c), never over a link ---- */

#define WIRE_MSG_replace(F, L, S) \
    F(U32, format, "of what follows: WIRE_HANDED") \
    F(STR, version, "manta's version of the new head, for people") \
    F(U32, pid, "the new head's process, for people")

#define WIRE_MSG_yields(F, L, S) \
    F(U32, workers, "that are joined, and will come back to the new head; with this comes the listener")

#define WIRE_MSG_moved_conn(F, L, S) \
    F(U8, stage, "enum http_stage; with this comes the connection") \
    F(U8, keep_alive, "as in struct http_state, as are the next three") \
    F(U8, old, "") \
    F(U8, head_only, "") \
    F(U8, continued, "") \
    F(STR, lines, "header lines that the answer is to have") \
    F(U32, came_bytes, "of a request that is not whole, or behind one; these and the next come in moved_bytes") \
    F(U32, unsent_bytes, "of answers") \
    F(U8, asks, "1: a client waits here for an answer: its moved_jobs and its moved_account follow, then its moved_call")

#define WIRE_MSG_moved_bytes(F, L, S) \
    F(STR, bytes, "the next of those that were announced")

#define WIRE_MSG_moved_job(F, L, S) \
    F(U32, branch, "which of the call's answers") \
    F(U32, attempt, "0: it never was sent to a worker") \
    F(U32, barren_attempts, "attempts that have ended since the last one that brought a token") \
    F(U32, said, "tokens that the client has") \
    F(I32S, ids, "of these; none, where they were too many to be kept") \
    F(STR, same_file, "pool of the actors that may continue it (brain/registry/compatible.c); empty: all") \
    F(STR, same_bits, "pool of the actors that continue it with the same bits; empty: none")

#define WIRE_MSG_moved_call(F, L, S) \
    F(U64, name, "of the answer, and of its stream as clients know it") \
    F(U64, stream, "its name at workers, as in run, as is the next") \
    F(U64, claim, "") \
    F(U64, owner, "number of the tenant whose it is") \
    F(U8, admin, "1: its client may see nodes' addresses") \
    F(STR, places, "how far the client is, as in an event's id") \
    F(U64, started, "bit per branch whose start the client was told") \
    F(U8, begun, "1: something of the answer had come") \
    F(U8, seeks, "1: it was being looked for at the workers, and still is to be") \
    F(U32, total, "branches there will be, as far as is known") \
    F(U8, base64, "embeddings: as in the request, as is the next") \
    F(U32, dimensions, "") \
    F(STR, client_id, "the X-Request-Id that the client sent, or empty") \
    F(U64, age_us, "since it came") \
    F(STR, client, "the note of its request (head/note.c)") \
    F(STR, run, "the request, as a whole frame of `run`; empty: the client did not bring it") \
    F(U8, known, "enum wire_known: what became of its model there") \
    F(STR, model, "what of a request is not in a `run`, as are the next four") \
    F(STR, affinity, "") \
    F(STR, tenant, "") \
    F(I32, priority, "") \
    L(input, inputs, "") \
    F(U32, count, "branches that were asked for") \
    F(U8, spread, "1: on different actors") \
    F(U8, spread_pending, "1: one job stands for all, none has begun") \
    F(U32, deadline_ms, "to leave the queue") \
    F(U64, seq, "its place in the order of arrival") \
    F(U8, reported, "1: it can no longer just fail") \
    F(U32, branches, "made so far; one of which no moved_job came has ended")

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
    F(U32, conns, "old head: that is all; new head: I have it; old head: it is yours") \
    F(U32, calls, "")

#define WIRE_PARTS(P) P(turn) P(bias) P(sampling) P(load) P(part) P(input) P(moved_candidate) P(moved_step)

/* number, name: numbers never change their meaning */
#define WIRE_MESSAGES(M) \
    M(1, hello) M(2, actor) M(3, beat) M(4, prefilled) M(5, tokens) M(6, done) M(7, bye) M(8, scale_state) \
    M(9, duty) M(10, held) M(11, progress) M(16, kv_saved) M(17, kv_part) M(18, kv_ack) M(20, crashed) \
    M(33, welcome) M(34, refuse) M(35, actor_ack) M(36, beat_ack) M(37, run) M(38, cancel) M(39, scale) \
    M(40, seek) M(41, adopt) M(42, cordon) M(43, drain) M(48, kv_save) M(49, kv_pull) M(50, kv_drop) \
    M(64, replace) M(65, yields) M(66, moved_conn) M(67, moved_bytes) M(68, moved_job) M(69, moved_call) M(70, moved_all) M(71, moved_account)

#endif
