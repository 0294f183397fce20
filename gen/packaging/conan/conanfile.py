# SPDX-License-Identifier: MIT
"""conan create gen/packaging/conan: of the tree that this lies in."""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

required_conan_version = ">=2.0"


class EvpollConan(ConanFile):
    name = "evpoll"
    description = "One wait for everything: operations that are done, and handles that became ready"
    license = "MIT"
    url = homepage = "https://github.com/evpoll/evpoll"
    topics = ("epoll", "io_uring", "iocp", "kqueue", "event-loop")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "hardened": [True, False]}
    default_options = {"shared": False, "hardened": True}
    languages = "C"

    @property
    def _tree(self):
        return os.path.join(self.recipe_folder, "..", "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._tree, "CMakeLists.txt"))
        self.version = re.search(r"^project\(evpoll VERSION (\S+)", text, re.M).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "evpoll.def", "LICENSE", "README.md", "CHANGELOG.md",
                        "abi/*", "lib/*", "gen/*", "bindings/c/*"):
            copy(self, pattern, self._tree, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def validate(self):
        if self.settings.os == "Windows" and self.settings.arch == "x86":
            raise ConanInvalidConfiguration("Windows of 32 bits is not supported")

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables.update({
            "EVPOLL_BUILD_TESTS": False,
            "EVPOLL_BUILD_EXAMPLES": False,
            "EVPOLL_MAN": False,
            "EVPOLL_HARDENED": bool(self.options.hardened),
            "EVPOLL_INSTALL_SHARED": bool(self.options.shared),
            "EVPOLL_INSTALL_STATIC": not self.options.shared,
        })
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        for folder in ("lib/cmake", "lib/pkgconfig", "share"):
            rmdir(self, os.path.join(self.package_folder, folder))

    def package_info(self):
        self.cpp_info.libs = ["evpoll"]
        self.cpp_info.set_property("cmake_file_name", "evpoll")
        self.cpp_info.set_property("cmake_target_name", "evpoll::evpoll")
        self.cpp_info.set_property("pkg_config_name", "evpoll")
        if self.settings.os == "Windows":
            self.cpp_info.system_libs = ["ws2_32", "iphlpapi", "ntdll"]
            if self.options.hardened and self.settings.compiler == "gcc":
                self.cpp_info.system_libs.append(":libssp.a")
        else:
            self.cpp_info.system_libs = ["pthread"]
