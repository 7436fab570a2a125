/* The rare branches a run over the standard seeds must have been through, each at least once.
 *
 * A simulator that never kills a worker at the wrong moment proves nothing: a probe that stays at zero fails the run. */
#ifndef MANTA_SIM_PROBE_H
#define MANTA_SIM_PROBE_H

#define PROBES(P) \
    P(worker_joined, "a worker was welcomed and has a ready actor") \
    P(worker_rejoined, "a worker was welcomed again after its link broke") \
    P(dial_refused, "a worker dialled while no head was there") \
    P(dial_gave_up, "a dial or hello took too long and the worker hung up") \
    P(head_silent, "a worker left a head that had fallen silent") \
    P(late_engine_event, "an engine still spoke of a job whose link was gone") \
    P(lost_by_silence, "the head gave up a worker it had not heard of") \
    P(rack_died, "many workers died at once") \
    P(lost_by_close, "a worker's link closed while it had jobs") \
    P(rerouted, "a job was sent to a second actor") \
    P(rerouted_answered, "and its client got the whole answer") \
    P(resumed, "an answer continued another actor where its own had stopped") \
    P(resumed_answered, "and its client got the whole of it") \
    P(resumed_late, "an answer waited for seconds for somebody to continue it") \
    P(resumed_at_the_end, "an actor died when only the end of an answer was left to say") \
    P(resume_deadline, "nobody came within the deadline to continue an answer") \
    P(attempts_ran_out, "no token came from as many actors as are tried") \
    P(lost_mid_stream, "the same in the middle of an answer") \
    P(fanout_shared, "a branch of a fan-out lost its actor, and every other one had a branch already") \
    P(frozen_came_back, "a frozen worker continued after the head had given it up") \
    P(frozen_in_time, "a frozen worker continued before the head gave it up") \
    P(partition_healed, "a worker's network came back") \
    P(clock_forward, "a worker's clock leapt forward") \
    P(clock_backward, "a worker's clock fell back") \
    P(engine_hung, "an engine stood still while its worker continued beating") \
    P(engine_failed, "an engine ended its jobs with an error") \
    P(actor_failed, "an actor could not load") \
    P(actor_unloaded, "an actor went away while its worker stayed") \
    P(prompt_too_long, "a prompt did not fit the context") \
    P(head_restarted, "the head died and came back knowing nothing") \
    P(head_stalled, "the head was not run for seconds") \
    P(calls_lost_with_head, "clients lost their calls with it") \
    P(waited_for_workers, "a prompt came before any worker and was answered") \
    P(queue_full, "a call was turned away because the queue was full") \
    P(room_was_kept, "a call was turned away because what was left of the queue is kept for other tenants") \
    P(went_past_a_crowd, "a call of a tenant with nothing else waiting was sent before the many of another") \
    P(queue_deadline, "a job waited longer than its deadline") \
    P(no_such_model, "a call named a model nobody has") \
    P(model_failed, "a call named a model that no actor could load") \
    P(told_apart, "a worker brought another model file under a name that was taken") \
    P(name_passed_on, "the last actor of a name's file left, and another file took over the name") \
    P(wrong_kind, "an embedding was asked of a model that makes text") \
    P(cancelled_queued, "a client went while its job was queued") \
    P(cancelled_running, "a client went while its answer streamed") \
    P(answered_choices, "a call with n > 1 was answered") \
    P(answered_fanout, "a prompt was answered by several actors") \
    P(answered_embedding, "an embedding was answered") \
    P(duplicate_node, "two workers went by one name") \
    P(refused_version, "a dialler of another wire version was refused") \
    P(refused_token, "a dialler with a wrong join token was refused") \
    P(hello_never_came, "a link that said nothing was closed by the head") \
    P(garbage_frame, "bytes that are no message came over a link") \
    P(nonsense_message, "a message came that makes no sense there") \
    P(forged_job, "a worker spoke of a job that is not its own") \
    P(stuttered, "a worker repeated or left out tokens") \
    P(left_politely, "a worker said bye while it had jobs") \
    P(poison_rejected, "a request that crashed two workers was given to no other one") \
    P(named_beside_poison, "an innocent one was computed in the call that crashed") \
    P(crashed_silently, "a worker crashed without a word") \
    P(drained, "a worker that was asked to drain ended what it had and left") \
    P(drained_late, "the grace time of a drain was over while jobs ran") \
    P(run_crossed, "a job was on its way to a worker that took no new ones") \
    P(cordoned, "a worker was cordoned while it had jobs") \
    P(uncordoned, "and asked to serve again") \
    P(availability_of_nobody, "somebody asked for the availability of a worker that had left") \
    P(moved, "an answer continued elsewhere with what was computed of it") \
    P(moved_damaged, "what was computed of an answer was damaged on the way, and computed once more") \
    P(rebalanced, "an answer left a slow or crowded actor for an idle one") \
    P(scaled, "the launcher was asked for another number of workers") \
    P(scaled_by_nobody, "somebody asked for workers while no launcher was there") \
    P(head_leapt, "a head's clock leapt forward") \
    P(lost_half_open, "a head gave up a worker while one direction between them still worked") \
    P(link_stuck, "a connection got stuck") \
    P(overtaken, "a hello came over a connection after the worker had joined over a later one") \
    P(came_again, "a client whose head had died came again and its stream continued") \
    P(came_again_anew, "its call had not begun anywhere, and began anew") \
    P(came_again_lost, "the worker that had its stream was gone, too") \
    P(both_died, "a head died in one moment with a worker that had jobs") \
    P(computed_again, "the same, and its client brought its request: it was computed again") \
    P(computed_again_answered, "and its client got the whole of it") \
    P(came_again_answered, "a call that lost its head was answered to the end") \
    P(adopted, "a worker continued a stream for another head, or the next life of its own") \
    P(hopped, "a client's connection broke while its answer streamed, and it came again") \
    P(garbage_to_worker, "bytes that are no message came to a worker") \
    P(replaced, "a head gave its place to another one") \
    P(replace_failed, "a new head died before it had all, and the old one continued") \
    P(replaced_running, "an answer streamed while its head gave its place to another one") \
    P(replaced_waiting, "a job waited for its first actor then") \
    P(replaced_unsent, "the client of an answer had not been sent all that the head had said by then") \
    P(replaced_whole, "one of the answers of a call was whole by then, and came again") \
    P(replaced_fanout, "a fan-out ran then") \
    P(replaced_seeking, "a stream was looked for then") \
    P(replaced_anew, "a stream that its client had nothing of was looked for then, and began anew") \
    P(replaced_all_back, "all workers came back to the new head") \
    P(replaced_overdue, "a worker stayed away and was not waited for any longer") \
    P(replaced_answered, "a call that was handed on was answered to the end")

/* Takes more than one head. */
#define PROBES_OF_TWO(P) \
    P(came_to_another_head, "a client whose head had died continued its stream at another head") \
    P(asked_another_head, "a client found its head down and asked another one") \
    P(head_cut_off, "a head lost the half of its workers or more, while another one had them") \
    P(actor_full, "an actor was given more jobs by its heads than it takes") \
    P(replaced_ghost, "a head gave its place to another one and had not noticed yet that a client had left")

/* Of runs with --scale, which are asked for these and no others. */
#define PROBES_OF_SCALE(P) \
    P(launcher_silence, "a launcher left a head that had fallen silent") \
    P(launcher_died, "the launcher died and began anew, knowing nothing") \
    P(engine_restarted, "the engine started a worker again that had died") \
    P(engine_gave_up, "the engine did not, and its launcher had to ask") \
    P(start_of_living, "a launcher asked for a worker that was there and that it had not been shown") \
    P(scaled_up, "the load asked for more workers") \
    P(scaled_down, "the load let workers go") \
    P(scaled_to_none, "no worker was wanted") \
    P(woken, "a call that came then was held until a worker was there, and answered")

#define PROBE_ENUM(name, text) PROBE_##name,
enum probe { PROBES(PROBE_ENUM) PROBES_OF_TWO(PROBE_ENUM) PROBES_OF_SCALE(PROBE_ENUM) PROBE_COUNT };
#undef PROBE_ENUM

#endif
