// SPDX-License-Identifier: MIT
// The DLL that a program unloads: a copy of it, so that the one under test stays.
#include "pipe.h"

namespace {

using namespace evp;

class Unload : public ::testing::Test {
protected:
  void SetUp() override {
    char path[MAX_PATH];
    const DWORD n = GetModuleFileNameA(GetModuleHandleA("evpoll.dll"), path, sizeof path);
    ASSERT_TRUE(n > 0 && n < sizeof path);
    ASSERT_TRUE(CopyFileA(path, copy_.c_str(), FALSE)) << GetLastError();
    library_ = LoadLibraryA((CurrentFolder() + "\\" + copy_).c_str());
    ASSERT_NE(nullptr, library_) << GetLastError();
    ASSERT_EQ(0, Call<decltype(evpoll_open)>("evpoll_open")(nullptr, &p_));
  }
  void TearDown() override { DeleteFileA(copy_.c_str()); } // refused while it is loaded

  static std::string CurrentFolder() {
    char text[MAX_PATH];
    return std::string(text, GetCurrentDirectoryA(sizeof text, text));
  }
  template <class Function> Function *Call(const char *name) {
    return reinterpret_cast<Function *>(reinterpret_cast<void *>(GetProcAddress(library_, name)));
  }
  // What was opened without FILE_FLAG_OVERLAPPED is the pool's.
  void StartThePool() {
    TempFile file("0123456789");
    Native native(CreateFileA(file.path.c_str(), GENERIC_READ,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                              OPEN_EXISTING, 0, nullptr));
    char buffer[16] = "";
    ASSERT_EQ(0, Call<decltype(evpoll_add)>("evpoll_add")(p_, HandleOf(native.h), kServed, 0,
                                                          EVPOLL_OPERATIONS));
    evpoll_io io = MakeIo(EVPOLL_OP_READ, HandleOf(native.h), 7, buffer, sizeof buffer);
    ASSERT_EQ(1, Call<decltype(evpoll_submit)>("evpoll_submit")(p_, &io, 1));
    evpoll_event event;
    ASSERT_EQ(1, Call<decltype(evpoll_wait)>("evpoll_wait")(p_, &event, 1, kLong));
    EXPECT_EQ(10, event.result);
  }
  // One for each test: what the first one leaves loaded is no other's.
  const std::string copy_ =
      std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + ".dll";
  HMODULE library_ = nullptr;
  evpoll *p_ = nullptr;
};

TEST_F(Unload, LeavesTheCodeOfThreadsThatRun) {
  StartThePool();
  ASSERT_TRUE(FreeLibrary(library_));
  EXPECT_NE(nullptr, GetModuleHandleA(copy_.c_str()))
      << "a thread of the pool has no code any more";
}

TEST_F(Unload, IsCompleteAfterClose) {
  StartThePool();
  EXPECT_EQ(0, Call<decltype(evpoll_close)>("evpoll_close")(p_, kLong));
  ASSERT_TRUE(FreeLibrary(library_));
  EXPECT_EQ(nullptr, GetModuleHandleA(copy_.c_str())) << "somebody holds it";
}

} // namespace
