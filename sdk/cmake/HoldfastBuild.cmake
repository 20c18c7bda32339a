# How Holdfast itself is built: warnings, sanitizers, and one function per kind of target.

find_program(HOLDFAST_CCACHE ccache)
if(HOLDFAST_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${HOLDFAST_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${HOLDFAST_CCACHE})
endif()
find_program(HOLDFAST_LLD ld.lld)
if(HOLDFAST_LLD)
    add_link_options(-fuse-ld=lld)
endif()

add_library(holdfast_options INTERFACE)
target_compile_options(holdfast_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    -Wno-missing-field-initializers  # designated initialisers leave out what has a default
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
    # GCC 12 sees ghosts in optimised and sanitized code: destructors of designated initialisers "may be
    # uninitialized" (GCC bug 105562 and kin), and string concatenation "overlaps" (105329, 105651).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
    $<$<BOOL:${HOLDFAST_WERROR}>:-Werror>)
# Asserts stay on in releases: they guard what only a programmer can cause.
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
if(HOLDFAST_SANITIZE)
    add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer -g1)
    add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
endif()

# holdfast_core_library(plan SOURCES a.cpp b.cpp PUBLIC libs... PRIVATE libs...)
# One static library for the folder core/<name>; its libraries are the folders it may include.
function(holdfast_core_library name)
    cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
    add_library(holdfast_${name} STATIC ${arg_SOURCES})
    target_include_directories(holdfast_${name} PUBLIC ${PROJECT_SOURCE_DIR}/core)
    target_link_libraries(holdfast_${name} PUBLIC ${arg_PUBLIC} PRIVATE holdfast_options ${arg_PRIVATE})
endfunction()

# holdfast_plugin(host SOURCES a.cpp PRIVATE libs...) -> plugins/libholdfast-host.so with one exported symbol.
function(holdfast_plugin name)
    cmake_parse_arguments(arg "" "OUTPUT" "SOURCES;PRIVATE" ${ARGN})
    if(NOT arg_OUTPUT)
        set(arg_OUTPUT ${CMAKE_BINARY_DIR}/plugins)
    endif()
    add_library(holdfast_plugin_${name} MODULE ${arg_SOURCES})
    set_target_properties(holdfast_plugin_${name} PROPERTIES
        OUTPUT_NAME holdfast-${name} LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT})
    target_link_libraries(holdfast_plugin_${name} PRIVATE Holdfast::sdk holdfast_options ${arg_PRIVATE})
    target_link_options(holdfast_plugin_${name} PRIVATE
        -Wl,--version-script=${PROJECT_SOURCE_DIR}/sdk/cmake/plugin.version)
    set_property(TARGET holdfast_plugin_${name} APPEND PROPERTY LINK_DEPENDS
        ${PROJECT_SOURCE_DIR}/sdk/cmake/plugin.version)
    if(arg_OUTPUT STREQUAL "${CMAKE_BINARY_DIR}/plugins") # the others are for tests
        install(TARGETS holdfast_plugin_${name} LIBRARY DESTINATION ${HOLDFAST_PLUGIN_DESTINATION})
    endif()
    # A plugin that others may write is refused, and under umask 002 its group may write what is built.
    add_custom_command(TARGET holdfast_plugin_${name} POST_BUILD
        COMMAND chmod 0755 $<TARGET_FILE:holdfast_plugin_${name}> ${arg_OUTPUT} VERBATIM)
endfunction()
