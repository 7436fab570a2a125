/* A room with no source yet. */
typedef int manta_empty_room;
