# tests/unit/test_<room>_<what>.c: one program each, linked with its room; cmocka prints, ctest counts.
file(GLOB unit_tests CONFIGURE_DEPENDS tests/unit/test_*.c)
foreach(source ${unit_tests})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_([a-z]+).*" "\\1" room ${name})
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE tests/unit)
    target_compile_definitions(${name} PRIVATE MANTA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE manta_flags manta_${room} PkgConfig::CMOCKA $<$<STREQUAL:${room},http>:manta_llhttp>) # its records, seen from inside
    add_test(NAME unit.${name} COMMAND ${name})
    set_tests_properties(unit.${name} PROPERTIES TIMEOUT 1200 LABELS unit) # ends a test that hangs; test_engine_stops took 59 s at a load of 15
endforeach()

# tests/sim: the real head and agent machines in virtual time.
file(GLOB sim_sources CONFIGURE_DEPENDS tests/sim/*.c)
if(sim_sources)
    add_executable(manta-sim ${sim_sources})
    target_sources(manta-sim PRIVATE src/launch/reconcile.c) # pure; the rest of launch/ is not in it
    target_link_libraries(manta-sim PRIVATE manta_flags manta_brain)
    add_test(NAME sim.seeds COMMAND manta-sim --seeds 1..20 --heads 2 --workers 100 --minutes 2)
    add_test(NAME sim.small COMMAND manta-sim --seeds 101..160 --heads 1 --workers 3 --minutes 2)
    add_test(NAME sim.heads COMMAND manta-sim --seeds 201..240 --heads 3 --workers 3 --minutes 2)
    add_test(NAME sim.scale COMMAND manta-sim --scale --seeds 301..340 --heads 1 --workers 0 --minutes 10)
    add_test(NAME sim.regressions COMMAND manta-sim --file ${CMAKE_SOURCE_DIR}/tests/sim/seeds.txt)
    set_tests_properties(sim.seeds sim.small sim.heads sim.scale sim.regressions PROPERTIES TIMEOUT 1800 LABELS sim)
endif()

# tests/balance: the head's strategies side by side in told time; the real head over real batchers of echo engines.
file(GLOB balance_sources CONFIGURE_DEPENDS tests/balance/*.c)
add_executable(manta-balance ${balance_sources})
target_link_libraries(manta-balance PRIVATE manta_flags manta_brain manta_engine)
add_test(NAME sim.balance COMMAND manta-balance)
set_tests_properties(sim.balance PROPERTIES TIMEOUT 1800 LABELS sim)

# tests/autoscale: the autoscaler beside other rules over many loads in told time; the real head.
file(GLOB autoscale_sources CONFIGURE_DEPENDS tests/autoscale/*.c)
add_executable(manta-autoscale ${autoscale_sources})
target_link_libraries(manta-autoscale PRIVATE manta_flags manta_brain)
add_test(NAME sim.autoscale COMMAND manta-autoscale)
set_tests_properties(sim.autoscale PROPERTIES TIMEOUT 1800 LABELS sim)

# tests/fuzz/fuzz_<room>_<what>.c: here each meets its corpus again, tests/fuzz/corpus/<its name>/, without clang.
# cmake/fuzz.cmake builds the same files for libFuzzer.
file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
if(NOT MANTA_FUZZ)
    foreach(source ${fuzz_sources})
        get_filename_component(name ${source} NAME_WE)
        string(REGEX REPLACE "^fuzz_([a-z]+).*" "\\1" room ${name})
        add_executable(replay_${name} ${source} tests/fuzz/replay_main.c)
        target_link_libraries(replay_${name} PRIVATE manta_flags manta_${room} $<$<STREQUAL:${room},http>:manta_llhttp>)
        add_test(NAME fuzz.replay_${name} COMMAND replay_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
        set_tests_properties(fuzz.replay_${name} PROPERTIES TIMEOUT 600 LABELS fuzz)
    endforeach()
endif()

include(cmake/checks.cmake)
