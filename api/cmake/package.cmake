# `cpack -G DEB` in the build folder makes one package of what `cmake --install` installs.
set(CPACK_PACKAGE_NAME cairn)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR Cairn)
set(CPACK_PACKAGE_CONTACT "the Cairn authors <cairn@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Embedded engine for run metadata: library, headers and command")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)  # also lets ldconfig run
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nlohmann-json3-dev, liblmdb-dev, libsimdjson-dev, libcurl4-openssl-dev, libzstd-dev")  # the C++
# headers; the static library; the upstream
include(CPack)
