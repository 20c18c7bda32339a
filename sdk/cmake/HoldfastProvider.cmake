# For authors of providers: the two functions that find_package(Holdfast) brings. docs/providers.md shows them
# at work.

# Where Holdfast looks for plugins, relative to its prefix: for install(TARGETS holdfast-NAME ...).
set(HOLDFAST_PLUGIN_DESTINATION lib/holdfast/plugins)
set(HOLDFAST_VERSION_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/plugin.version)

# holdfast_add_provider(NAME SOURCES a.cpp...)
# The target holdfast-NAME builds plugins/libholdfast-NAME.so: a module that exports the plugin's table and
# nothing else, so that two plugins in one process cannot get into each other's way. Warnings and libraries are
# the author's: target_link_libraries(holdfast-NAME PRIVATE ...).
function(holdfast_add_provider name)
    cmake_parse_arguments(arg "" "" "SOURCES" ${ARGN})
    if(NOT name MATCHES "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
        message(FATAL_ERROR "\"${name}\" cannot be a plugin's name: small letters, digits, '-' and '.'")
    endif()
    if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "holdfast_add_provider(NAME SOURCES file...)")
    endif()
    set(target holdfast-${name})
    add_library(${target} MODULE ${arg_SOURCES})
    target_link_libraries(${target} PRIVATE Holdfast::sdk)
    get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
    if(CXX IN_LIST languages)
        target_compile_features(${target} PRIVATE cxx_std_17)
    endif()
    set_target_properties(${target} PROPERTIES
        PREFIX lib OUTPUT_NAME holdfast-${name} SUFFIX .so POSITION_INDEPENDENT_CODE ON
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/plugins
        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    # Unique symbols are one for the whole process, whatever the loader is told.
    target_compile_options(${target} PRIVATE
        $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
    target_link_options(${target} PRIVATE LINKER:--version-script=${HOLDFAST_VERSION_SCRIPT})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${HOLDFAST_VERSION_SCRIPT})
    # Holdfast refuses a plugin that others may write, and under umask 002 the group may write what is built.
    add_custom_command(TARGET ${target} POST_BUILD
        COMMAND chmod 0755 $<TARGET_FILE:${target}> $<TARGET_FILE_DIR:${target}> VERBATIM)
endfunction()

# holdfast_add_conformance_test(NAME CONFIG conformance.yaml [LEVELS level...] [TIMEOUT seconds])
# The test conformance.NAME puts the plugin through the levels of the conformance kit, all of them by default.
function(holdfast_add_conformance_test name)
    cmake_parse_arguments(arg "" "CONFIG;TIMEOUT" "LEVELS" ${ARGN})
    if(NOT arg_CONFIG OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "holdfast_add_conformance_test(NAME CONFIG conformance.yaml [LEVELS level...])")
    endif()
    if(NOT TARGET holdfast-${name})
        message(FATAL_ERROR "there is no provider ${name}: call holdfast_add_provider(${name} ...) before")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 600)
    endif()
    set(levels)
    foreach(level IN LISTS arg_LEVELS)
        list(APPEND levels --level ${level})
    endforeach()
    get_filename_component(config ${arg_CONFIG} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    add_test(NAME conformance.${name}
        COMMAND $<TARGET_FILE:Holdfast::conformance> ${levels} $<TARGET_FILE:holdfast-${name}> ${config})
    set_tests_properties(conformance.${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
endfunction()
