# The pinned source of llama.cpp, as static libraries (scripts/fetch brings it). The images build it in a layer of its own (Dockerfile), so
# it takes everything that its compile commands depend on from here, and nothing from the rest of our build.
enable_language(CXX)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
option(MANTA_NATIVE "Compile llama.cpp for exactly this machine's CPU" ON)
set(LLAMA_CPP_DIR ${MANTA_DEPS_DIR}/llama.cpp)

# All its targets are known to ninja (`ninja llama-server` for the bench), but only those that ours need are built.
function(add_llama_cpp)
    if(NOT EXISTS ${LLAMA_CPP_DIR}/CMakeLists.txt)
        message(FATAL_ERROR "llama.cpp is not in ${LLAMA_CPP_DIR}. Run 'scripts/fetch llama'.")
    endif()
    file(STRINGS ${LLAMA_CPP_DIR}/.pin pinned REGEX "^llama-cpp-python==")
    string(REPLACE " \\" "" pinned "${pinned}")
    message(STATUS "llama.cpp: the pinned source (${pinned})")
    set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
    set(CMAKE_EXPORT_COMPILE_COMMANDS OFF)
    set(CMAKE_C_STANDARD 11)
    set(CMAKE_C_EXTENSIONS ON)
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)
    foreach(off BUILD_SHARED_LIBS GGML_CCACHE LLAMA_OPENSSL LLAMA_BUILD_TESTS LLAMA_BUILD_EXAMPLES LLAMA_BUILD_APP
            LLAMA_BUILD_UI LLAMA_USE_PREBUILT_UI LLAMA_ALL_WARNINGS)
        set(${off} OFF)
    endforeach()
    foreach(on LLAMA_BUILD_COMMON LLAMA_BUILD_TOOLS LLAMA_BUILD_SERVER)
        set(${on} ON)
    endforeach()
    set(GGML_NATIVE ${MANTA_NATIVE})
    set(GIT_EXECUTABLE false) # it would ask git for a version of whatever repository the folder happens to be in
    set(LLAMA_BUILD_NUMBER 0)
    set(LLAMA_BUILD_COMMIT pinned)
    add_subdirectory(${LLAMA_CPP_DIR} ${CMAKE_BINARY_DIR}/llama.cpp EXCLUDE_FROM_ALL)
    # No AMX, which a processor of this machine may have: GCC 12 thinks that ldtilecfg reads 8 bytes of the configuration, drops the stores of the
    # rest, and the first product of a model crashes; and its products are not those that --exact knows.
    include(CheckCCompilerFlag)
    check_c_compiler_flag(-mno-amx-tile can_leave_out_amx)
    if(can_leave_out_amx)
        target_compile_options(ggml-cpu PRIVATE -mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
    endif()
endfunction()
