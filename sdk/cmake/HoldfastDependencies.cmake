# The libraries that Holdfast uses, as Debian and Ubuntu package them. Each becomes one target whose name
# does not depend on the distribution.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(CURL REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLiteCpp REQUIRED)
find_package(valijson QUIET)
pkg_check_modules(libgit2 REQUIRED IMPORTED_TARGET libgit2)

# yaml-cpp 0.7 exports "yaml-cpp", 0.8 "yaml-cpp::yaml-cpp".
if(NOT TARGET yaml-cpp::yaml-cpp)
    add_library(yaml-cpp::yaml-cpp INTERFACE IMPORTED)
    target_link_libraries(yaml-cpp::yaml-cpp INTERFACE yaml-cpp)
endif()

# Header-only, and its CMake package differs between versions.
find_path(VALIJSON_INCLUDE_DIR valijson/validator.hpp REQUIRED)
add_library(holdfast_valijson INTERFACE)
target_include_directories(holdfast_valijson SYSTEM INTERFACE ${VALIJSON_INCLUDE_DIR})

find_library(LIBSV_LIBRARY sv REQUIRED)
find_path(LIBSV_INCLUDE_DIR semver.h REQUIRED)
add_library(holdfast_semver INTERFACE)
target_include_directories(holdfast_semver SYSTEM INTERFACE ${LIBSV_INCLUDE_DIR})
target_link_libraries(holdfast_semver INTERFACE ${LIBSV_LIBRARY})

# Boost.DLL is header-only when it uses std::filesystem.
find_path(BOOST_DLL_INCLUDE_DIR boost/dll/shared_library.hpp REQUIRED)
add_library(holdfast_boost_dll INTERFACE)
target_include_directories(holdfast_boost_dll SYSTEM INTERFACE ${BOOST_DLL_INCLUDE_DIR})
target_compile_definitions(holdfast_boost_dll INTERFACE BOOST_DLL_USE_STD_FS)
target_link_libraries(holdfast_boost_dll INTERFACE ${CMAKE_DL_LIBS})
