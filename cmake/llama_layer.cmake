# llama.cpp alone: the CMakeLists.txt of the images' layer that outlives every change of ours (Dockerfile). The whole build, configured in the same folder
# afterwards, has the same compile commands for it, so nothing of it is built again.
cmake_minimum_required(VERSION 3.22)
project(manta LANGUAGES C)
set(MANTA_DEPS_DIR "$ENV{MANTA_DEPS_DIR}" CACHE PATH "Where scripts/fetch put third-party sources")
include(cmake/llama_cpp.cmake)
add_llama_cpp()
