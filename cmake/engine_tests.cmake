# tests/engine/test_llama_<what>.c: the llama module with a real model; bench/engine_<what>.c: its measures. Target
# engine_tests builds both. The tests find the module beside them, and the model through MANTA_TEST_MODEL.
add_custom_target(engine_tests)
# Writes a model in another weight format.
add_executable(fixture_quantize EXCLUDE_FROM_ALL tests/fixtures/quantize.c)
target_link_libraries(fixture_quantize PRIVATE manta_flags llama)
set_target_properties(fixture_quantize PROPERTIES LINKER_LANGUAGE CXX)
add_dependencies(engine_tests fixture_quantize)
file(GLOB engine_sources CONFIGURE_DEPENDS tests/engine/test_*.c bench/engine_*.c)
foreach(source ${engine_sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} EXCLUDE_FROM_ALL ${source})
    target_link_libraries(${name} PRIVATE manta_flags manta_engine)
    add_dependencies(${name} manta_engine_llama)
    add_dependencies(engine_tests ${name})
    if(name MATCHES "^test_")
        target_link_libraries(${name} PRIVATE PkgConfig::CMOCKA)
        add_test(NAME model.${name} COMMAND ${name})
        set_tests_properties(model.${name} PROPERTIES TIMEOUT 1800 LABELS model
            ENVIRONMENT MANTA_QUANTIZE=$<TARGET_FILE:fixture_quantize>)
    endif()
endforeach()
# The module shows one symbol; this test compares a part of it with libllama's own.
target_sources(test_llama_mirostat PRIVATE src/engine/llama/mirostat.c src/engine/llama/logits.c)
target_link_libraries(test_llama_mirostat PRIVATE llama)
set_target_properties(test_llama_mirostat PROPERTIES LINKER_LANGUAGE CXX)
