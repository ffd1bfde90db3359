# What cairn::upstream adds to the installed tree. Apart, because it asks for libcurl and zstd, which users of the rest need
# not have; its headers are installed with the others.
include(GNUInstallDirs)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cairn)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS cairn_upstream EXPORT cairn_upstream_targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT cairn_upstream_targets NAMESPACE cairn:: FILE cairn-upstream-targets.cmake DESTINATION ${package_dir})

file(RELATIVE_PATH pkgconfig_to_prefix /${pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" pkgconfig_to_prefix "${pkgconfig_to_prefix}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/cairn-upstream.pc.in ${CMAKE_CURRENT_BINARY_DIR}/cairn-upstream.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cairn-upstream.pc DESTINATION ${pkgconfig_dir})
