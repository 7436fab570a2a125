/* A state machine as a table: each state's name, and the states it may become. One function of its owner makes the moves. */
#ifndef MANTA_BASE_STATES_H
#define MANTA_BASE_STATES_H

#define TO(state) (1u << (state))

struct state {
    const char *name;
    unsigned to; /* TO() of each state that may follow */
};

/* `to`, which is the next state. A move that the table does not have is a MUST(), which names both: "job: QUEUED -> STREAMING". */
unsigned state_next(const struct state *table, const char *thing, unsigned from, unsigned to);

#endif
