#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""recipes.py WORK: the recipes for Conan and vcpkg, carried out by stand-ins for those tools, which have of
them what the recipes ask for: each builds and installs this tree, with the shared library alone and with
the static one alone, by options that it has; a program is built with what was installed, and runs."""
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CONSUMER = ROOT / "tests/consumer/consumer.c"
work = pathlib.Path(sys.argv[1]).resolve()


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **more)
    if done.returncode:
        sys.exit(f"recipes: {command} failed:\n{done.stdout}")
    return done.stdout


def configure(source, build, *options):
    said = run("cmake", "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release",
               "-DCMAKE_INSTALL_LIBDIR=lib", *options)
    if "not used by the project" in said:
        sys.exit(f"recipes: options that there are not:\n{said}")


def check_package(folder, shared, *compile_by):
    """One kind of library, and a program with it."""
    have = {path.name for path in (folder / "lib").iterdir() if path.name.startswith("libevpoll")}
    if have != ({"libevpoll.so", "libevpoll.so.1", "libevpoll.so.1.0.0"} if shared else {"libevpoll.a"}):
        sys.exit(f"recipes: {folder}: with shared {shared} it has {sorted(have)}")
    run("cc", "-o", folder / "consumer", CONSUMER, *compile_by)
    run(folder / "consumer", CONSUMER, env={**os.environ, "LD_LIBRARY_PATH": str(folder / "lib")})


# ---- Conan: what conanfile.py imports ------------------------------------------------------------

class ConanFile:
    def set_property(self, name, value):
        self.properties[name] = value


class CMakeToolchain:
    def __init__(self, recipe):
        self.recipe, self.cache_variables = recipe, {}

    def generate(self):
        self.recipe.toolchain = [f"-D{name}={'ON' if value is True else 'OFF' if value is False else value}"
                                 for name, value in self.cache_variables.items()]


class CMake:
    def __init__(self, recipe):
        self.recipe = recipe

    def configure(self):
        configure(self.recipe.source_folder, self.recipe.build_folder, *self.recipe.toolchain)

    def build(self):
        run("cmake", "--build", self.recipe.build_folder, "-j2")

    def install(self):
        run("cmake", "--install", self.recipe.build_folder, "--prefix", self.recipe.package_folder)


def copy(_, pattern, src, dst):
    """A star stands for folders as well."""
    names = subprocess.run(["git", "-C", src, "ls-files"], capture_output=True, text=True, check=False).stdout.split() \
        if (pathlib.Path(src) / "run").exists() else os.listdir(src)
    for name in names:
        if fnmatch.fnmatch(name, pattern):
            (pathlib.Path(dst) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(pathlib.Path(src) / name, pathlib.Path(dst) / name)


def module(name, **what):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(what)


def conan(folder, shared):
    module("conan", ConanFile=ConanFile)
    module("conan.errors", ConanInvalidConfiguration=type("ConanInvalidConfiguration", (Exception,), {}))
    module("conan.tools")
    module("conan.tools.build", can_run=lambda recipe: True)
    module("conan.tools.cmake", CMake=CMake, CMakeToolchain=CMakeToolchain, cmake_layout=lambda recipe: None)
    module("conan.tools.files", copy=copy, load=lambda recipe, path: pathlib.Path(path).read_text(),
           rmdir=lambda recipe, path: shutil.rmtree(path, ignore_errors=True))
    path = ROOT / "gen/packaging/conan/conanfile.py"
    names = {}
    exec(compile(path.read_text(), path, "exec"), names)  # pylint: disable=exec-used
    recipe = names["EvpollConan"]()
    recipe.recipe_folder = str(path.parent)
    recipe.settings = types.SimpleNamespace(os="Linux", arch="x86_64", compiler="gcc", build_type="Release")
    recipe.options = types.SimpleNamespace(**{**recipe.default_options, "shared": shared})
    recipe.export_sources_folder = recipe.source_folder = str(folder / "source")
    recipe.build_folder, recipe.package_folder = str(folder / "build"), str(folder / "package")
    recipe.set_version()
    recipe.export_sources()
    recipe.layout()
    recipe.validate()
    recipe.generate()
    recipe.build()
    recipe.package()
    info = types.SimpleNamespace(properties={}, system_libs=[])
    info.set_property = info.properties.__setitem__
    recipe.cpp_info = info
    recipe.package_info()
    if not (folder / "package/licenses/LICENSE").exists() or info.properties["cmake_target_name"] != "evpoll::evpoll":
        sys.exit("recipes: Conan's package has no licence, or another name for CMake")
    check_package(folder / "package", shared, f"-I{folder}/package/include", f"-L{folder}/package/lib",
                  *(f"-l{name}" for name in info.libs + info.system_libs))
    for name in (path.parent / "test_package").glob("*.py"):
        compile(name.read_text(), name, "exec")
    settled = json.loads((ROOT / "gen/packaging/vcpkg/evpoll/vcpkg.json").read_text())["version-semver"]
    if settled != recipe.version:
        sys.exit(f"recipes: vcpkg.json is for {settled}, this is {recipe.version}")


# ---- vcpkg: the functions that portfile.cmake calls ----------------------------------------------

VCPKG = """
function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  execute_process(COMMAND ${CMAKE_COMMAND} -G Ninja -S ${arg_SOURCE_PATH} -B ${WORK}/build
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}
    ${arg_OPTIONS} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_install)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build -j2 --target install COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH" "")
  if(NOT EXISTS ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/evpollConfig.cmake)
    message(FATAL_ERROR "no CMake package in ${arg_CONFIG_PATH}")
  endif()
endfunction()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_copy_pdbs)
endfunction()
function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  file(MAKE_DIRECTORY ${CURRENT_PACKAGES_DIR}/share/${PORT})
  configure_file(${arg_FILE_LIST} ${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright COPYONLY)
endfunction()
set(PORT evpoll)
include(${PORTFILE})
"""


def vcpkg(folder, shared):
    folder.mkdir(parents=True)
    (folder / "vcpkg.cmake").write_text(VCPKG)
    package = folder / "packages"
    said = run("cmake", f"-DWORK={folder}", f"-DCURRENT_PACKAGES_DIR={package}",
               f"-DVCPKG_LIBRARY_LINKAGE={'dynamic' if shared else 'static'}",
               f"-DPORTFILE={ROOT / 'gen/packaging/vcpkg/evpoll/portfile.cmake'}", "-P", folder / "vcpkg.cmake")
    if "not used by the project" in said:
        sys.exit(f"recipes: options that there are not:\n{said}")
    for name in ("share/evpoll/copyright", "share/evpoll/usage", "lib/pkgconfig/evpoll.pc"):
        if not (package / name).is_file():
            sys.exit(f"recipes: vcpkg's package has no {name}")
    if (package / "share/man").exists() or (package / "share/doc").exists():
        sys.exit("recipes: vcpkg's package has what vcpkg does not want")
    flags = run("pkg-config", "--cflags", "--libs", "evpoll",
                env={**os.environ, "PKG_CONFIG_PATH": str(package / "lib/pkgconfig")}).split()
    check_package(package, shared, *flags)
    # By the name in `usage`, whichever kind it is.
    used = re.search(r"target_link_libraries\(main PRIVATE (\S+)\)", (package / "share/evpoll/usage").read_text())[1]
    user = folder / "user"
    user.mkdir()
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(user C)\nfind_package(evpoll 1.0 CONFIG REQUIRED)\n"
        f"add_executable(main {CONSUMER})\ntarget_link_libraries(main PRIVATE {used})\n")
    run("cmake", "-G", "Ninja", "-S", user, "-B", user, f"-DCMAKE_PREFIX_PATH={package}")
    run("cmake", "--build", user)
    run(user / "main", CONSUMER)


shutil.rmtree(work, ignore_errors=True)
for kind in (True, False):
    conan(work / f"conan-{kind}", kind)
    vcpkg(work / f"vcpkg-{kind}", kind)
