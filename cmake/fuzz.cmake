# Fuzz targets with libFuzzer (clang): tests/fuzz/fuzz_<room>_<what>.c, linked with its room. `make fuzz` runs them,
# starting from tests/fuzz/corpus/<its name>/. The rooms themselves are compiled so that coverage of them counts.
if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "Fuzzing needs clang: cmake --preset fuzz")
endif()
foreach(room ${manta_rooms})
    target_compile_options(manta_${room} PRIVATE -fsanitize=fuzzer-no-link)
endforeach()

add_custom_target(fuzzers)
foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^fuzz_([a-z]+).*" "\\1" room ${name})
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE manta_flags manta_${room} $<$<STREQUAL:${room},http>:manta_llhttp>)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name})
endforeach()
