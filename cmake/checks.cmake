# tests/check_*: what the rooms promise of themselves. Each check also proves that it can fail (its --self-test).
foreach(check includes headers source contracts prose where links graph purity binary)
    add_test(NAME check.${check}.self_test COMMAND ${CMAKE_SOURCE_DIR}/tests/check_${check} --self-test)
    list(APPEND checks check.${check}.self_test)
endforeach()

foreach(check includes headers source contracts prose where links)
    add_test(NAME check.${check} COMMAND ${CMAKE_SOURCE_DIR}/tests/check_${check} ${CMAKE_SOURCE_DIR})
    list(APPEND checks check.${check})
endforeach()
set(pure_rooms ${manta_rooms})
list(FILTER pure_rooms INCLUDE REGEX "^brain_")
list(TRANSFORM pure_rooms REPLACE "(.+)" "$<TARGET_FILE:manta_\\1>" OUTPUT_VARIABLE pure_libraries)
add_test(NAME check.purity
    COMMAND ${CMAKE_SOURCE_DIR}/tests/check_purity ${pure_libraries} $<TARGET_FILE:manta_wire> COMMAND_EXPAND_LISTS)
list(APPEND checks check.purity)
list(TRANSFORM manta_rooms REPLACE "(.+)" "$<TARGET_FILE:manta_\\1>" OUTPUT_VARIABLE room_libraries)
add_test(NAME check.graph COMMAND ${CMAKE_SOURCE_DIR}/tests/check_graph ${room_libraries} $<TARGET_OBJECTS:manta> COMMAND_EXPAND_LISTS)
list(APPEND checks check.graph)
if(TARGET manta)
    add_test(NAME check.binary COMMAND ${CMAKE_SOURCE_DIR}/tests/check_binary ${CMAKE_BINARY_DIR})
    list(APPEND checks check.binary)
endif()

set_tests_properties(${checks} PROPERTIES TIMEOUT 600 LABELS check
    ENVIRONMENT "CC=${CMAKE_C_COMPILER};C_INCLUDE_PATH=${LLHTTP_DIR}/include")
