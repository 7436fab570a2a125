# What `make bench` needs: bench_streams opens the streams; bench_servers is what manta is compared with, llama-server
# made from the same llama.cpp as our engine, and llama-quantize.
add_executable(bench_streams bench/streams.c)
target_link_libraries(bench_streams PRIVATE manta_flags manta_http)

add_executable(bench_calls bench/calls.c) # tests/engines/ray
target_compile_definitions(bench_calls PRIVATE _GNU_SOURCE)
target_link_libraries(bench_calls PRIVATE manta_flags manta_base)

add_custom_target(bench_servers)
if(TARGET llama-server)
    add_dependencies(bench_servers llama-server llama-quantize)
endif()

# What an event costs the head's brain, and how that grows with the number of workers (docs/head.md).
add_executable(bench_head_steps bench/head_steps.c)
target_link_libraries(bench_head_steps PRIVATE manta_flags manta_brain)
