// SPDX-License-Identifier: MIT
// The helpers for files and buffers.
#include "sockets.h"

#include <cstring>
#include <filesystem>

namespace {

using namespace evp;

constexpr uint32_t kRead = EVPOLL_FILE_READ, kWrite = EVPOLL_FILE_WRITE;

std::string FreshName() {
  const TempFile removed;
  return removed.path;
}

// A path of its own, removed at the end; nothing is there at the beginning.
struct Path {
  std::string name;
  evpoll_handle h = -1;
  explicit Path(const std::string &suffix = "") : name(FreshName() + suffix) {}
  ~Path() {
    Close();
    std::error_code ignored;
    std::filesystem::remove(std::filesystem::u8path(name), ignored);
  }
  Path(const Path &) = delete;
  int32_t Open(uint32_t flags, uint32_t permissions = 0) {
    return evpoll_file_open(name.c_str(), flags, permissions, &h);
  }
  void Close() {
    if (h >= 0) {
      EXPECT_EQ(0, evpoll_file_close(h));
    }
    h = -1;
  }
};

/* ---- files ---- */

TEST(FileOpen, CreatesAFileWhereThereIsNone) {
  Path path;
  ASSERT_EQ(0, path.Open(kWrite | EVPOLL_FILE_CREATE));
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(path.h, &size));
  EXPECT_EQ(0, size);
  EXPECT_TRUE(std::filesystem::is_regular_file(path.name));
}

TEST(FileOpen, CreatesFilesThatTheirOwnerMayReadAndWrite) {
  Path path;
  ASSERT_EQ(0, path.Open(kRead | EVPOLL_FILE_CREATE));
  const auto owner = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;
  EXPECT_EQ(owner, std::filesystem::status(path.name).permissions() & owner);
}

TEST(FileOpen, KeepsWhatIsInAFileThatItNeedNotCreate) {
  TempFile file("abc");
  evpoll_handle again = -1;
  ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), kRead | kWrite | EVPOLL_FILE_CREATE, 0, &again));
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(again, &size));
  EXPECT_EQ(3, size);
  EXPECT_EQ(0, evpoll_file_close(again));
}

TEST(FileOpen, CutsTheFileWithTruncate) {
  TempFile file("abc", kWrite | EVPOLL_FILE_TRUNCATE);
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(0, size);
}

TEST(FileOpen, ExclusivelyCreatesAFileWhereThereIsNone) {
  Path path;
  EXPECT_EQ(0, path.Open(kWrite | EVPOLL_FILE_CREATE | EVPOLL_FILE_EXCLUSIVE));
}

TEST(FileOpen, ExclusivelyFailsWhereThereIsAFile) {
  TempFile file("abc");
  evpoll_handle h = kUntouched;
  const uint32_t flags = kWrite | EVPOLL_FILE_CREATE | EVPOLL_FILE_EXCLUSIVE;
  EXPECT_EQ(EVPOLL_ERR_EXISTS, evpoll_file_open(file.path.c_str(), flags, 0, &h));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, FindsNoFileWhereThereIsNone) {
  Path path;
  path.h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, path.Open(kRead));
  EXPECT_NE(0, evpoll_os_error());
  EXPECT_EQ(kUntouched, path.h);
}

TEST(FileOpen, FindsNothingInAFolderThatIsNotThere) {
  Path path("/file");
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, path.Open(kWrite | EVPOLL_FILE_CREATE));
}

TEST(FileOpen, FindsNothingInAFileTakenForAFolder) {
  TempFile file;
  evpoll_handle h = -1;
  EXPECT_EQ(EVPOLL_ERR_NOT_FOUND, evpoll_file_open((file.path + "/file").c_str(), kRead, 0, &h));
}

TEST(FileOpen, TakesPathsAsUtf8) {
  Path path("-\xc3\xa4\xe2\x82\xac");
  ASSERT_EQ(0, path.Open(kWrite | EVPOLL_FILE_CREATE));
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::u8path(path.name)));
}

TEST(FileOpen, RefusesFolders) {
  for (uint32_t flags : {kRead, kWrite, kRead | kWrite, kWrite | EVPOLL_FILE_CREATE}) {
    evpoll_handle h = kUntouched;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_open(".", flags, 0, &h)) << flags;
    EXPECT_EQ(kUntouched, h);
  }
}

TEST(FileOpen, RefusesFifosWithoutWaitingForTheOtherSide) {
  Path path;
  EVP_GATE(MakeFifo(path.name), "fifo", "no FIFO can be made in the working folder");
  for (uint32_t flags : {kRead, kWrite, kRead | kWrite})
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, path.Open(flags)) << flags;
}

TEST(FileOpen, RefusesCharacterDevices) {
  EVP_GATE(std::filesystem::is_character_file("/dev/null"), "dev-null", "there is no /dev/null");
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_open("/dev/null", kRead, 0, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, RefusesFlagsThatMakeNoSense) {
  TempFile file("abc");
  for (uint32_t flags :
       {0u, uint32_t{EVPOLL_FILE_CREATE}, uint32_t{EVPOLL_FILE_DIRECT},
        kRead | EVPOLL_FILE_EXCLUSIVE, kRead | EVPOLL_FILE_TRUNCATE,
        kRead | EVPOLL_FILE_CREATE | EVPOLL_FILE_TRUNCATE, kWrite | EVPOLL_FILE_EXCLUSIVE,
        uint32_t{EVPOLL_FILE_APPEND}, kRead | EVPOLL_FILE_APPEND,
        kWrite | EVPOLL_FILE_APPEND | EVPOLL_FILE_DIRECT, kWrite | EVPOLL_FILE_DURABLE,
        kRead | EVPOLL_FILE_CREATE | EVPOLL_FILE_DURABLE}) {
    evpoll_handle h = kUntouched;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open(file.path.c_str(), flags, 0, &h)) << flags;
    EXPECT_EQ(0, evpoll_os_error());
    EXPECT_EQ(kUntouched, h);
  }
}

TEST(FileOpen, AsksByTryingWhatIsNotServed) {
  TempFile file("abc");
  // What is not known is found before what makes no sense.
  for (uint32_t flags : {0x100u, 0x100u | EVPOLL_FILE_APPEND, 0x80000000u, 0x80000000u | kRead,
                         0x100u | kRead | EVPOLL_FILE_TRUNCATE}) {
    evpoll_handle h = kUntouched;
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_open(file.path.c_str(), flags, 0, &h)) << flags;
    EXPECT_EQ(0, evpoll_os_error());
    EXPECT_EQ(kUntouched, h);
  }
}

bool OnAfd() {
  evpoll *p = nullptr;
  struct evpoll_poller_info info = {};
  info.struct_size = sizeof info;
  EXPECT_EQ(0, evpoll_open(nullptr, &p));
  EXPECT_EQ(0, evpoll_info(p, &info));
  EXPECT_EQ(0, evpoll_close(p, 0));
  return info.backend == EVPOLL_BACKEND_AFD;
}

TEST(FileOpen, GivesANewFileThePermissionsThatWereAskedFor) {
  namespace fs = std::filesystem;
  const auto bits = [](const std::string &name) {
    return static_cast<unsigned>(fs::status(name).permissions() & fs::perms::all);
  };
  TempFile plain;
  fs::permissions(plain.path, fs::perms::owner_exec, fs::perm_options::add);
  EVP_GATE((bits(plain.path) & 0100) && !OnAfd(), "file modes",
           "files have no permissions of this kind");
  Path folder;
  fs::create_directory(folder.name);
  const unsigned masked = bits(folder.name); // all but the umask
  for (uint32_t permissions : {0600u, 0640u, 0666u, 0400u, 0700u, 0777u, 0001u}) {
    Path path;
    ASSERT_EQ(0, path.Open(kWrite | EVPOLL_FILE_CREATE, permissions)) << permissions;
    EXPECT_EQ(permissions & masked, bits(path.name)) << std::oct << permissions;
  }
  Path by_default;
  ASSERT_EQ(0, by_default.Open(kWrite | EVPOLL_FILE_CREATE));
  EXPECT_EQ(0666 & masked, bits(by_default.name));
}

TEST(FileOpen, LeavesThePermissionsOfAFileThatIsThere) {
  TempFile file("abc");
  const auto before = std::filesystem::status(file.path).permissions();
  evpoll_handle again = -1;
  const uint32_t flags = kRead | EVPOLL_FILE_CREATE;
  ASSERT_EQ(0, evpoll_file_open(file.path.c_str(), flags, 0777, &again));
  EXPECT_EQ(0, evpoll_file_close(again));
  EXPECT_EQ(before, std::filesystem::status(file.path).permissions());
}

TEST(FileOpen, RefusesPermissionsThatAreNone) {
  for (uint32_t permissions : {01000u, 04755u, 0x80000000u, UINT32_MAX}) {
    Path path;
    EXPECT_EQ(EVPOLL_ERR_INVALID, path.Open(kWrite | EVPOLL_FILE_CREATE, permissions));
    EXPECT_FALSE(std::filesystem::exists(path.name));
  }
}

TEST(FileReopen, IsForTerminalsAndPipes) {
  TempFile file("abc");
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_reopen(file.handle, &h));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_reopen(-1, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_reopen(file.handle, nullptr));
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, RefusesNoPath) {
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open(nullptr, kRead, 0, &h));
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open("", kRead, 0, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, RefusesNowhereToPutTheHandle) {
  Path path;
  const uint32_t flags = kWrite | EVPOLL_FILE_CREATE;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_open(path.name.c_str(), flags, 0, nullptr));
  EXPECT_FALSE(std::filesystem::exists(path.name));
}

TEST(FileOpen, NeedsPermission) {
  TempFile file("abc");
  std::filesystem::permissions(file.path, std::filesystem::perms::none);
  std::FILE *f = std::fopen(file.path.c_str(), "rb");
  if (f) std::fclose(f);
  EVP_GATE(!f, "permissions", "this user may open every file");
  evpoll_handle h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_ACCESS, evpoll_file_open(file.path.c_str(), kRead, 0, &h));
  EXPECT_EQ(kUntouched, h);
}

TEST(FileOpen, OpensDirectlyOrSaysUnsupported) {
  TempFile file("abc");
  evpoll_handle h = kUntouched;
  const int32_t status =
      evpoll_file_open(file.path.c_str(), kRead | kWrite | EVPOLL_FILE_DIRECT, 0, &h);
  EVP_GATE(status != EVPOLL_ERR_UNSUPPORTED, "direct-io", "the file system has none");
  ASSERT_EQ(0, status);
  EXPECT_EQ(0, evpoll_file_close(h));
}

TEST(FileOpen, MeetsTheLimitOfDescriptors) {
  Path path;
  NoMoreDescriptors no_more;
  GATE_LIMIT(no_more);
  path.h = kUntouched;
  EXPECT_EQ(EVPOLL_ERR_LIMIT, path.Open(kWrite | EVPOLL_FILE_CREATE));
  EXPECT_EQ(kUntouched, path.h);
}

TEST(FileSize, IsThatOfTheContent) {
  TempFile file("hello");
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(5, size);
}

TEST(FileSize, NeedsNoPermissionToRead) {
  TempFile file("hello", kWrite);
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(5, size);
}

TEST(FileSize, GoesBeyond32Bits) {
  TempFile file;
  std::error_code error;
  std::filesystem::resize_file(file.path, 5000000000u, error);
  EVP_GATE(!error, "large-files", "the file system holds no file of 5 GB");
  int64_t size = -1;
  EXPECT_EQ(0, evpoll_file_size(file.handle, &size));
  EXPECT_EQ(5000000000, size);
}

TEST(FileSize, RefusesNowhereToPutIt) {
  TempFile file;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_file_size(file.handle, nullptr));
}

TEST(FileSize, RefusesSockets) {
  Pair s;
  int64_t size = -1;
  EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, evpoll_file_size(s.a, &size));
}

TEST(FileSize, RefusesWhatIsNotOpen) {
  int64_t size = -1;
  for (evpoll_handle h : kNoHandles)
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_size(h, &size)) << h;
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_size(ClosedSocket(), &size));
}

TEST(FileClose, WorksOnce) {
  TempFile file;
  EXPECT_EQ(0, evpoll_file_close(file.handle));
  EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_close(file.handle));
  file.handle = -1;
}

TEST(FileClose, RefusesWhatCannotBeAHandle) {
  for (evpoll_handle h : kNoHandles) {
    EXPECT_EQ(EVPOLL_ERR_BAD_HANDLE, evpoll_file_close(h)) << h;
    EXPECT_EQ(0, evpoll_os_error());
  }
}

/* ---- buffers ---- */

TEST(Buffer, IsAlignedAsAsked) {
  for (uint32_t alignment = 1; alignment <= 2097152; alignment *= 2) {
    void *buffer = nullptr;
    ASSERT_EQ(0, evpoll_buffer_alloc(3, alignment, &buffer)) << alignment;
    EXPECT_EQ(0u, EVPOLL_ADDR(buffer) % alignment);
    EXPECT_EQ(0, evpoll_buffer_free(buffer));
  }
}

TEST(Buffer, IsAlignedTo4096ByDefault) {
  void *buffers[8];
  for (void *&buffer : buffers) {
    ASSERT_EQ(0, evpoll_buffer_alloc(100, 0, &buffer));
    EXPECT_EQ(0u, EVPOLL_ADDR(buffer) % 4096);
  }
  for (void *buffer : buffers) EXPECT_EQ(0, evpoll_buffer_free(buffer));
}

TEST(Buffer, IsZeroedAlsoWhereAnotherWasBefore) {
  for (int round = 0; round < 8; round++) {
    void *buffer = nullptr;
    ASSERT_EQ(0, evpoll_buffer_alloc(10000, 64, &buffer));
    EXPECT_EQ(std::string(10000, '\0'), std::string(static_cast<char *>(buffer), 10000));
    std::memset(buffer, 0xff, 10000);
    EXPECT_EQ(0, evpoll_buffer_free(buffer));
  }
}

TEST(Buffer, RefusesImpossibleAlignments) {
  for (uint32_t alignment : {3u, 4095u, 4097u, 6u, 2097151u, 4194304u, 0x80000000u, UINT32_MAX}) {
    void *buffer = this;
    EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_buffer_alloc(100, alignment, &buffer)) << alignment;
    EXPECT_EQ(this, buffer);
  }
}

TEST(Buffer, RefusesNoBytes) {
  void *buffer = this;
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_buffer_alloc(0, 0, &buffer));
  EXPECT_EQ(this, buffer);
}

TEST(Buffer, RefusesNowhereToPutIt) {
  EXPECT_EQ(EVPOLL_ERR_INVALID, evpoll_buffer_alloc(100, 0, nullptr));
}

TEST(Buffer, OfMoreBytesThanThereAreIsOutOfMemory) {
  for (uint64_t size : {UINT64_MAX, uint64_t{1} << 63, UINT64_MAX - 4095}) {
    void *buffer = this;
    EXPECT_EQ(EVPOLL_ERR_NO_MEMORY, evpoll_buffer_alloc(size, 0, &buffer)) << size;
    EXPECT_EQ(this, buffer);
  }
}

TEST(Buffer, FreesNullAsWell) { EXPECT_EQ(0, evpoll_buffer_free(nullptr)); }

} // namespace
