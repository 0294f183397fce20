// SPDX-License-Identifier: MIT
// Files by name: paths longer than MAX_PATH in each of the forms that Windows knows; and what a
// pipe is not asked to do.
#include "pipe.h"

#include <cstdlib>

namespace {

using namespace evp;

std::string Backslashed(std::string path) {
  for (char &c : path)
    if (c == '/') c = '\\';
  return path;
}

// With the prefix that switches the limit off.
std::string Unlimited(const std::string &full) { return "\\\\?\\" + Backslashed(full); }

// For the test's own calls: those of narrow text have a limit of their own. All of it is ASCII.
std::wstring Wide(const std::string &path) { return {path.begin(), path.end()}; }

std::string CurrentFolder() {
  char text[MAX_PATH];
  const DWORD n = GetCurrentDirectoryA(sizeof text, text);
  return std::string(text, n < sizeof text ? n : 0);
}

// Nested folders below the current one, removed at the end with one file in the last of them.
class Folders {
public:
  Folders(const std::string &first, size_t length) {
    path_ = first;
    Make();
    while (path_.size() < length) {
      path_ += "\\" + std::string(40, 'd');
      Make();
    }
  }
  ~Folders() {
    DeleteFileW(Wide(Unlimited(path_) + "\\file").c_str());
    while (!made_.empty()) {
      RemoveDirectoryW(Wide(made_.back()).c_str());
      made_.pop_back();
    }
  }
  Folders(const Folders &) = delete;
  const std::string &Path() const { return path_; }

private:
  void Make() {
    made_.push_back(Unlimited(path_));
    EXPECT_TRUE(CreateDirectoryW(Wide(made_.back()).c_str(), nullptr) ||
                GetLastError() == ERROR_ALREADY_EXISTS)
        << path_;
  }
  std::string path_;
  std::vector<std::string> made_;
};

bool IsThere(const std::string &path) {
  return GetFileAttributesW(Wide(path).c_str()) != INVALID_FILE_ATTRIBUTES;
}

void ExpectCreates(const std::string &name, const std::string &really) {
  evpoll_handle h = -1;
  const int32_t status = evpoll_file_open(
      name.c_str(), EVPOLL_FILE_READ | EVPOLL_FILE_WRITE | EVPOLL_FILE_CREATE, 0, &h);
  EXPECT_EQ(0, status) << evpoll_os_error() << " " << name;
  if (status == 0) {
    EXPECT_EQ(0, evpoll_file_close(h));
  }
  EXPECT_TRUE(IsThere(really)) << name;
  DeleteFileW(Wide(really).c_str());
}

TEST(LongPaths, AreOpenedInEachForm) {
  const std::string here = CurrentFolder();
  ASSERT_NE("", here);
  Folders folders(here + "\\evpoll-long", 300);
  const std::string full = folders.Path() + "\\file", really = Unlimited(full);
  std::string slashes = full;
  for (char &c : slashes)
    if (c == '\\') c = '/';
  ExpectCreates(full, really);
  ExpectCreates(slashes, really);
  ExpectCreates(really, really);
  ExpectCreates("//?/" + slashes, really);
  ExpectCreates(slashes.substr(here.size() + 1), really);
  ExpectCreates("./evpoll-long/../" + slashes.substr(here.size() + 1), really);
}

TEST(LongPaths, AShortNameCountsWithItsFolder) {
  const std::string here = CurrentFolder();
  Folders folders(here + "\\evpoll-cwd", 205);
  ASSERT_TRUE(SetCurrentDirectoryA(folders.Path().c_str())) << folders.Path().size();
  const std::string name = std::string(80, 'n');
  ExpectCreates(name, Unlimited(folders.Path()) + "\\" + name);
  EXPECT_TRUE(SetCurrentDirectoryA(here.c_str()));
}

// The folder on a server of this machine that the test may write to, and its true path; empty where
// there is none. Windows shares each drive with administrators; Wine looks into a folder of its
// own.
std::pair<std::string, std::string> Share() {
  const std::string here = CurrentFolder();
  if (!RunsOnWine())
    return {"//localhost/" + here.substr(0, 1) + "$" + here.substr(2) + "/evpoll-share",
            here + "\\evpoll-share"};
  const char *config = std::getenv("WINECONFIGDIR"); // \??\Z:\...
  if (!config || std::string(config).size() < 5) return {};
  std::string path = std::string(config).substr(4) + "\\dosdevices";
  for (const char *part : {"\\unc", "\\localhost", "\\evpoll-share"}) {
    path += part;
    CreateDirectoryW(Wide(Unlimited(path)).c_str(), nullptr);
  }
  return {"//localhost/evpoll-share", path};
}

TEST(LongPaths, OfAServerAreOpened) {
  const auto [share, true_path] = Share();
  CreateDirectoryW(Wide(Unlimited(true_path)).c_str(), nullptr);
  EVP_GATE(!share.empty() && IsThere(share), "own-share", "this machine shares no folder with us");
  Folders folders(true_path, 300);
  const std::string behind = folders.Path().substr(true_path.size()) + "\\file";
  const std::string really = Unlimited(folders.Path()) + "\\file";
  ExpectCreates(share + behind, really);
  ExpectCreates(Backslashed(share + behind), really);
  ExpectCreates("//?/UNC" + share.substr(1) + behind, really);
  ExpectCreates(Unlimited("UNC" + share.substr(1) + behind), really);
}

EVP_CONTRACT(PipeFsync);

// Windows would wait until the peer has read everything, and nothing could end that.
TEST_P(PipeFsync, IsRefusedThoughThePeerDoesNotRead) {
  EVP_GATE(Has(EVPOLL_FEATURE_NATIVE_IO), "native-io", "the pool serves this configuration");
  NamedPipe pipe;
  ASSERT_EQ(0, Serve(p, HandleOf(pipe.server)));
  char text[] = "unread";
  EXPECT_EQ(6, RunIo(MakeIo(EVPOLL_OP_WRITE, HandleOf(pipe.server), 7, text, 6)).result);
  for (uint32_t code : {EVPOLL_OP_FSYNC, EVPOLL_OP_FDATASYNC}) {
    evpoll_io io = MakeIo(code, HandleOf(pipe.server), 8);
    const int32_t accepted = evpoll_submit(p, &io, 1);
    EXPECT_EQ(EVPOLL_ERR_UNSUPPORTED, accepted == 1 ? WaitOne().status : io.status);
  }
}

} // namespace
