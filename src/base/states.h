/* A state machine as a table: each state's name and the states that may follow. One function of
 * the owner makes the moves. */
#ifndef MANTA_BASE_STATES_H
#define MANTA_BASE_STATES_H

#define TO(state) (1u << (state))

struct state {
    const char *name;
    unsigned to; /* TO() of each state that may follow */
};

/* Returns `to`, the next state. A move that is not in the table fails a MUST() that names both
 * states: "job: QUEUED -> STREAMING". */
unsigned state_next(const struct state *table, const char *thing, unsigned from, unsigned to);

#endif
