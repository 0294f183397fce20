// SPDX-License-Identifier: MIT
// Descriptors whose poll() takes away the news that it tells: whoever asks them once too often
// loses it. All changes are reported, also while an operation is in flight.
#include "held_test.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>

namespace evp {
namespace {

class HeldTaken : public HeldContract {
protected:
  static constexpr int kChanges = 40;

  // A thread with namespaces of its own, so that the machine's stay as they are.
  void Apart(const std::function<void()> &body) {
    bool works = false;
    Thread apart([&] {
      works = unshare(CLONE_NEWUTS | CLONE_NEWNS) == 0 &&
              mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
      if (works) body();
      held.Release(); // what it has submitted would keep it from ending
    });
    apart.Join();
    EVP_GATE(works, "namespaces", "no namespaces of one's own");
  }
  void Watch(const std::function<int()> &make, uint32_t interest,
             const std::function<bool(int, int)> &change) {
    Start(1);
    for (uint32_t mode : kModes) {
      SCOPED_TRACE(mode);
      const int fd = make();
      ASSERT_LE(0, fd) << std::strerror(errno);
      Pair s;
      ASSERT_LE(0, evpoll_add(p, s.a, 2, EVPOLL_READABLE, EVPOLL_LEVEL));
      ASSERT_LE(0, evpoll_add(p, fd, 3, interest, mode));
      Wait(0); // what was new before
      Wait(0);
      for (int i = 0; i < kChanges; i++) {
        if (mode == EVPOLL_ONESHOT) {
          ASSERT_EQ(0, evpoll_modify(p, fd, 3, interest, mode));
        }
        // A turn of a busy loop.
        Send(s.b, "x");
        bool served = false, early = false;
        for (const evpoll_event &e : Wait()) (e.token == 2 ? served : early) = true;
        ASSERT_TRUE(served);
        Drain(s.a);
        // Some news are the whole machine's: another one's is not taken for this one's, but may
        // have had the one event.
        ASSERT_TRUE(Until([&] {
          const std::vector<evpoll_event> more = Wait(0);
          early |= !more.empty();
          return more.empty();
        })) << "news without a change, "
            << i;
        if (early && mode == EVPOLL_ONESHOT) {
          ASSERT_EQ(0, evpoll_modify(p, fd, 3, interest, mode));
        }
        ASSERT_TRUE(change(fd, i)) << std::strerror(errno);
        bool seen = false;
        for (const evpoll_event &e : Wait()) seen |= e.token == 3;
        ASSERT_TRUE(seen) << "change " << i << " of " << kChanges << " was lost";
      }
      ASSERT_EQ(0, evpoll_remove(p, fd, 3));
      close(fd);
    }
    EXPECT_EQ(1u, held.Held()) << "it was in flight all the time";
  }
};
INSTANTIATE_TEST_SUITE_P(On, HeldTaken, ::testing::ValuesIn(Configs()), ConfigName);

TEST_P(HeldTaken, Mounts) {
  Apart([&] {
    char folder[] = "evpoll-mounts-XXXXXX";
    ASSERT_NE(nullptr, mkdtemp(folder));
    const auto make = [] { return open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC); };
    Watch(make, EVPOLL_PRIORITY, [&](int, int i) {
      return (i % 2 ? umount2(folder, MNT_DETACH) : mount("t", folder, "tmpfs", 0, "size=4k")) == 0;
    });
    umount2(folder, MNT_DETACH);
    rmdir(folder);
  });
}

TEST_P(HeldTaken, NameOfTheHost) {
  Apart([&] {
    const auto make = [] { return open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC); };
    Watch(make, EVPOLL_PRIORITY, [](int, int i) {
      const std::string name = "evpoll" + std::to_string(i);
      return sethostname(name.data(), name.size()) == 0;
    });
  });
}

// A page that is touched, while the counter runs, is a sample.
TEST_P(HeldTaken, SamplesOfACounter) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *buffer = MAP_FAILED;
  const auto make = [&] {
    if (buffer != MAP_FAILED) munmap(buffer, 2 * page);
    perf_event_attr attr = {};
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_PAGE_FAULTS;
    attr.sample_period = attr.wakeup_events = 1;
    attr.disabled = attr.exclude_kernel = attr.exclude_hv = 1;
    const int fd = static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
    if (fd >= 0) buffer = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return fd;
  };
  const int first = make();
  EVP_GATE(first >= 0 && buffer != MAP_FAILED, "perf events", std::strerror(errno));
  close(first);
  Watch(make, EVPOLL_READABLE, [&](int fd, int) {
    void *const fresh =
        mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) return false;
    *static_cast<volatile char *>(fresh) = 1;
    return ioctl(fd, PERF_EVENT_IOC_DISABLE, 0) == 0 && munmap(fresh, page) == 0;
  });
  munmap(buffer, 2 * page);
}

// Two threads that want one processor. The machine may be short of it by itself, and the kernel
// tells once in two seconds: not each turn has its change.
TEST_P(HeldTaken, WantOfProcessors) {
  const auto make = [] {
    const int fd = open("/proc/pressure/cpu", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    const char want[] = "some 1000 2000000"; // a millisecond in two seconds; less needs a right
    if (fd >= 0 && write(fd, want, sizeof want) == sizeof want) return fd;
    const int code = errno;
    close(fd);
    errno = code;
    return -1;
  };
  const auto compete = [] {
    const int64_t end = Now() + 50 * kMillisecond;
    const auto spin = [&] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
      sched_setaffinity(0, sizeof one, &one);
      Thread twin([&] { // of the same processor
        while (Now() < end) {
        }
      });
      while (Now() < end) {
      }
      twin.Join();
    };
    Thread apart(spin);
    apart.Join();
  };
  const int fd = make();
  EVP_GATE(fd >= 0, "pressure", std::strerror(errno));
  Start(1);
  Pair s;
  ASSERT_LE(0, evpoll_add(p, s.a, 2, EVPOLL_READABLE, EVPOLL_LEVEL));
  ASSERT_LE(0, evpoll_add(p, fd, 3, EVPOLL_PRIORITY, EVPOLL_LEVEL));
  for (int i = 0; i < 2; i++) {
    bool seen = false;
    for (const int64_t end = Now() + kLong; !seen && Now() < end;) {
      compete();
      Send(s.b, "x");
      for (const evpoll_event &e : Wait()) seen |= e.token == 3;
      Drain(s.a);
      usleep(100000);
    }
    ASSERT_TRUE(seen) << i;
  }
  EXPECT_EQ(1u, held.Held()) << "it was in flight all the time";
  EXPECT_EQ(0, evpoll_remove(p, fd, 3));
  close(fd);
}

} // namespace
} // namespace evp
