# Warnings, hardening, sanitizers and ccache.
include(CheckCCompilerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
add_library(manta_flags INTERFACE)
set(c_warnings -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes)
target_compile_options(manta_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wimplicit-fallthrough -Wvla -Wwrite-strings
    -fno-common -fstack-protector-strong
    "$<$<COMPILE_LANGUAGE:C>:${c_warnings}>"
    $<$<BOOL:${MANTA_WERROR}>:-Werror>)
target_compile_definitions(manta_flags INTERFACE _GNU_SOURCE)

# What makes a mistake of ours harder to use. tests/check_binary looks for it in the release build. Debug builds have
# sanitizers instead, which do not go with _FORTIFY_SOURCE.
foreach(flag -fstack-clash-protection -fcf-protection=full)
    string(MAKE_C_IDENTIFIER "takes${flag}" takes)
    check_c_compiler_flag(${flag} ${takes}) # control-flow protection is for x86 only
    if(${takes})
        target_compile_options(manta_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:${flag}>)
    endif()
endforeach()
set(fortify 3)
if(CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_C_COMPILER_VERSION VERSION_LESS 12)
    set(fortify 2)
endif()
target_compile_options(manta_flags INTERFACE
    "$<$<NOT:$<CONFIG:Debug>>:SHELL:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${fortify}>")
target_link_options(manta_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

if(MANTA_SANITIZE)
    add_compile_options(-fsanitize=${MANTA_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${MANTA_SANITIZE})
    if(MANTA_SANITIZE MATCHES undefined)
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
