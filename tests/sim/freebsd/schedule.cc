// SPDX-License-Identifier: MIT
#include "schedule.h"

#include <aio.h>
#include <errno.h>
#include <evpoll.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim.h"

namespace {

constexpr int kOps = 64, kBytes = 48, kForeigns = 3, kSockets = 3;
constexpr int kToRead = 3, kMasters = 5, kFiles = 4, kSize = 256;
constexpr int64_t kLong = 20ll * 1000000000;
constexpr uint64_t kForeignToken = 1000, kSocketToken = 2000, kPostToken = 3000, kCloseToken = 4000,
                   kFileToken = 5000;

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "schedule.cc:%d: not true: %s\n", __LINE__, #condition);                \
      std::abort();                                                                                \
    }                                                                                              \
  } while (0)

// Files that all schedules share, some to read, with known bytes, and some to write. A schedule
// works on duplicates, whose numbers are used again and again: what went to another file than it
// was for is found out by what was read, and by what the files to read hold at the end.
struct Files {
  int fds[kMasters];
  static bool IsToRead(int which) { return which < kToRead; }
  static char At(int which, int64_t place) { return static_cast<char>(place * 3 + which * 64); }
  Files() {
    for (int which = 0; which < kMasters; which++) {
      char name[32];
      std::snprintf(name, sizeof name, "schedule-file-%d", which);
      fds[which] = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      CHECK(fds[which] >= 0);
      for (int place = 0; place < kSize; place++) {
        const char byte = At(which, place);
        CHECK(pwrite(fds[which], &byte, 1, place) == 1);
      }
      unlink(name);
    }
  }
  void Check() const {
    for (int which = 0; which < kToRead; which++) {
      char bytes[kSize + 1];
      CHECK(pread(fds[which], bytes, sizeof bytes, 0) == kSize);
      for (int place = 0; place < kSize; place++) CHECK(bytes[place] == At(which, place));
    }
  }
};
Files &TheFiles() {
  static Files files;
  return files;
}

// Sockets too: what was sent is read when a schedule ends.
struct Sockets {
  evpoll_handle pairs[kSockets][2];
  Sockets() {
    for (auto &pair : pairs) CHECK(evpoll_socket_pair(&pair[0], &pair[1]) == 0);
  }
};
Sockets &TheSockets() {
  static Sockets sockets;
  return sockets;
}

// A place for a handle, and what became of it.
struct Place {
  enum { kNothing, kServed, kEnded, kClosing } state = kNothing;
  evpoll_handle handle = -1;
  uint64_t token = 0, close_op = 0; // token: the registration's
  int which = 0, held = 0;
};

struct Op {
  bool in_flight = false, listed = false;
  evpoll_io io;
  int which;
  uint64_t registration;
  struct evpoll_iovec pieces[2];
  char buffer[kBytes];
};

struct Foreign {
  evpoll_aio *aio = nullptr;
  bool armed = false, started = false, ready = false, listed = false;
  struct aiocb cbs[2];
  struct aiocb *list[2];
  struct sigevent event;
  char buffer[2][16];
};

struct Schedule {
  const uint8_t *at, *end;
  evpoll *p = nullptr;
  Op ops[kOps], *listed[8];
  Place files[kFiles];
  uint64_t next_token = kFileToken;
  Foreign foreigns[kForeigns];
  evpoll_handle (&sockets)[kSockets][2] = TheSockets().pairs;
  bool registered[kSockets] = {}, sent[kSockets] = {};
  uint64_t list_op = 0;
  int list_left = 0, in_flight = 0, posts = 0, injected = 0;
  bool has_pool = true;

  unsigned Next(unsigned below) {
    const unsigned byte = at < end ? *at++ : 0;
    return byte % below;
  }

  // ---- operations ----

  Op *FreeOp() {
    for (Op &op : ops)
      if (!op.in_flight) return &op;
    return nullptr;
  }

  Place *AnyServed() {
    const unsigned first = Next(kFiles);
    for (unsigned i = 0; i < kFiles; i++)
      if (files[(first + i) % kFiles].state == Place::kServed) return &files[(first + i) % kFiles];
    return nullptr;
  }

  void Fill(Op *op, const Place &file) {
    evpoll_io io = {};
    io.token = static_cast<uint64_t>(op - ops);
    const unsigned kind = Next(8);
    const bool read = Files::IsToRead(file.which);
    const uint32_t syncs[] = {EVPOLL_OP_FSYNC, EVPOLL_OP_FDATASYNC};
    io.code = kind < 5   ? read ? EVPOLL_OP_READ : EVPOLL_OP_WRITE
              : kind < 7 ? read ? EVPOLL_OP_READV : EVPOLL_OP_WRITEV
                         : syncs[Next(2)];
    io.handle = file.handle;
    if (kind < 7) {
      io.offset = Next(200);
      io.length = 1 + Next(kBytes);
      io.buffer = EVPOLL_ADDR(op->buffer);
      std::memset(op->buffer, 0x55, kBytes);
    }
    if (kind == 5 || kind == 6) {
      const uint64_t first = io.length / 2;
      op->pieces[0] = {EVPOLL_ADDR(op->buffer), first};
      op->pieces[1] = {EVPOLL_ADDR(op->buffer + first), io.length - first};
      io.buffer = EVPOLL_ADDR(op->pieces);
      io.length = 2;
    }
    op->io = io;
    op->which = file.which;
    op->registration = file.token;
    op->in_flight = true; // so that the next one is another
  }

  void Submit() {
    evpoll_io ios[16];
    Op *which[16];
    int n = 0;
    for (const int want = 1 + static_cast<int>(Next(16)); n < want; n++) {
      Op *op = FreeOp();
      Place *file = AnyServed();
      if (!op || !file) break;
      Fill(op, *file);
      op->listed = false;
      ios[n] = op->io;
      which[n] = op;
    }
    const int32_t taken = evpoll_submit(p, ios, n);
    int32_t good = 0;
    for (int i = 0; i < n; i++) {
      CHECK((ios[i].status == 0) == (ios[i].op != 0)); // none of them ends inline
      CHECK(ios[i].status != EVPOLL_ERR_AGAIN || ios[i].offset == which[i]->io.offset);
      which[i]->in_flight = ios[i].op;
      which[i]->io.op = ios[i].op;
      good += ios[i].status == 0;
    }
    CHECK(taken == good);
    in_flight += taken;
  }

  void SubmitList() {
    if (list_op) return;
    evpoll_io ios[8];
    int n = 0;
    for (const int want = 1 + static_cast<int>(Next(8)); n < want; n++) {
      Op *op = FreeOp();
      Place *file = AnyServed();
      if (!op || !file) break;
      Fill(op, *file);
      op->listed = true;
      ios[n] = op->io;
      listed[n] = op;
    }
    const int32_t status = n ? evpoll_submit_list(p, ios, n, 999, &list_op) : -1;
    for (int i = 0; i < n; i++) listed[i]->in_flight = status == n;
    if (status != n) list_op = 0;
    list_left = status == n ? n : 0;
    in_flight += list_left;
  }

  void CheckResult(const Op &op, int32_t status, int64_t result) {
    if (status < 0) {
      CHECK(status == EVPOLL_ERR_CANCELLED || injected || status == EVPOLL_ERR_LIMIT);
      return;
    }
    const bool vectored = op.io.code == EVPOLL_OP_READV || op.io.code == EVPOLL_OP_WRITEV;
    const uint64_t length = vectored ? op.pieces[0].length + op.pieces[1].length : op.io.length;
    if (length == 0) return;
    CHECK(result >= 1 && result <= static_cast<int64_t>(length));
    if (Files::IsToRead(op.which))
      for (int64_t i = 0; i < result; i++)
        CHECK(op.buffer[i] == Files::At(op.which, op.io.offset + i));
  }

  // ---- handles ----

  void OpenFile(Place &file) {
    const int which = static_cast<int>(Next(kMasters));
    const int fd = fcntl(TheFiles().fds[which], F_DUPFD_CLOEXEC, 3);
    CHECK(fd >= 0);
    file = Place();
    file.state = Place::kServed;
    file.handle = fd;
    file.which = which;
    file.token = next_token++;
    CHECK(evpoll_add(p, fd, file.token, 0, EVPOLL_OPERATIONS) == 0);
  }

  bool IsInFlight(uint64_t registration) {
    for (const Op &op : ops)
      if (op.in_flight && op.registration == registration) return true;
    return false;
  }

  // Only who holds it, and the pool, may still name it.
  void CheckBusy(const Place &file) { CHECK(file.held || (has_pool && IsInFlight(file.token))); }

  void RemoveFile(Place &file) {
    const int32_t status = evpoll_remove(p, file.handle, file.token);
    file.state = Place::kEnded;
    CHECK(evpoll_hold(p, file.handle, file.token) == EVPOLL_ERR_NOT_FOUND);
    if (status == EVPOLL_ERR_BUSY) {
      CheckBusy(file);
      return;
    }
    CHECK(status == 0 && !file.held);
    CHECK(evpoll_file_close(file.handle) == 0);
    file = Place();
  }

  void CloseFile(Place &file) {
    evpoll_io io = {};
    io.token = kCloseToken + static_cast<uint64_t>(&file - files);
    io.handle = file.handle;
    io.code = EVPOLL_OP_CLOSE;
    CHECK(evpoll_submit(p, &io, 1) == 1 && io.op);
    file.state = Place::kClosing;
    file.close_op = io.op;
    in_flight++;
  }

  void AddFileOver(Place &file) {
    const int32_t status = evpoll_add(p, file.handle, next_token, 0, EVPOLL_OPERATIONS);
    if (status == EVPOLL_ERR_BUSY) {
      CheckBusy(file);
      file.state = Place::kEnded;
      return;
    }
    CHECK(status == (file.state == Place::kServed)); // one that has ended is not replaced
    CHECK(!file.held);
    file.state = Place::kServed;
    file.token = next_token++;
  }

  void Release(Place &file) {
    file.held--;
    CHECK(evpoll_release(p, file.handle) == 0);
  }

  void ChangeFile() {
    Place &file = files[Next(kFiles)];
    const unsigned what = Next(8);
    if (file.state == Place::kNothing) {
      OpenFile(file);
    } else if (what == 7 && file.held) {
      Release(file);
    } else if (file.state != Place::kClosing) {
      switch (what) {
      case 0:
      case 1: RemoveFile(file); break;
      case 2:
      case 3: CloseFile(file); break;
      case 4: AddFileOver(file); break;
      case 5:
        if (file.state != Place::kServed) break;
        CHECK(evpoll_hold(p, file.handle, file.token) == 0);
        file.held++;
        break;
      case 6: {
        evpoll_io io = {};
        io.handle = file.handle;
        io.code = EVPOLL_OP_FSYNC;
        if (file.state != Place::kEnded) break;
        CHECK(evpoll_submit(p, &io, 1) == 0 && io.status == EVPOLL_ERR_NOT_FOUND);
      }
      }
    }
  }

  // ---- events ----

  void SeeList(const evpoll_event &e) {
    CHECK(list_op && e.op == list_op && e.token == 999);
    evpoll_result results[8];
    const int32_t n = evpoll_list_take(p, list_op, results, 8);
    CHECK(n == list_left);
    for (int i = 0; i < n; i++) {
      CHECK(listed[i]->in_flight && listed[i]->listed);
      listed[i]->in_flight = false;
      CheckResult(*listed[i], results[i].status, results[i].result);
    }
    in_flight -= n;
    list_op = 0;
  }

  void See(const evpoll_event &e) {
    if (e.events == EVPOLL_IO && e.token >= kCloseToken) {
      CHECK(e.token < kCloseToken + kFiles);
      Place &file = files[e.token - kCloseToken];
      CHECK(file.state == Place::kClosing && e.op == file.close_op && e.status == 0);
      CHECK(!file.held);
      CHECK(!IsInFlight(file.token) || list_op); // a list reports later than its entries end
      file = Place();
      in_flight--;
    } else if (e.events == EVPOLL_IO) {
      CHECK(e.token < kOps);
      Op &op = ops[e.token];
      CHECK(op.in_flight && !op.listed && op.io.op == e.op);
      op.in_flight = false;
      in_flight--;
      CheckResult(op, e.status, e.result);
    } else if (e.events == EVPOLL_IO_LIST) {
      SeeList(e);
    } else if (e.events == EVPOLL_AIO || e.events == EVPOLL_LIO) {
      CHECK(e.token >= kForeignToken && e.token < kForeignToken + kForeigns);
      Foreign &f = foreigns[e.token - kForeignToken];
      CHECK(f.armed && f.started && !f.ready);
      f.ready = true;
    } else if (e.events == EVPOLL_POST) {
      CHECK(e.token == kPostToken && posts > 0);
      posts--;
    } else if (e.events != EVPOLL_WAKE) {
      CHECK(e.token >= kSocketToken && e.token < kSocketToken + kSockets);
      CHECK(registered[e.token - kSocketToken]);
    }
  }

  int32_t Wait(int32_t capacity, int64_t timeout_ns) {
    evpoll_event events[16];
    const int32_t n = evpoll_wait(p, events, capacity, timeout_ns);
    CHECK(n >= 0 || n == EVPOLL_ERR_SHUTDOWN);
    for (int32_t i = 0; i < n; i++) See(events[i]);
    return n;
  }

  // ---- the caller's own operations ----

  void StartForeign() {
    Foreign &f = foreigns[Next(kForeigns)];
    if (!f.aio || f.armed) return;
    CHECK(evpoll_aio_register(f.aio, &f.event, sizeof f.event) == 0);
    f.armed = true;
    f.ready = f.started = false;
    for (int i = 0; i < 2; i++) {
      f.cbs[i] = {};
      f.cbs[i].aio_fildes = TheFiles().fds[0];
      f.cbs[i].aio_buf = f.buffer[i];
      f.cbs[i].aio_nbytes = 16;
      f.cbs[i].aio_lio_opcode = LIO_READ;
      f.list[i] = &f.cbs[i];
    }
    if (!f.listed) f.cbs[0].aio_sigevent = f.event;
    const int rc = f.listed ? lio_listio(LIO_NOWAIT, f.list, 2, &f.event) : aio_read(&f.cbs[0]);
    f.started = rc == 0;
    if (rc == 0) return;
    CHECK(evpoll_aio_deregister(f.aio) == 0);
    f.armed = false;
    for (int i = 0; f.listed && i < 2; i++) Reap(&f.cbs[i]); // what was started of it
  }

  // The operation may run on; its event is dropped.
  void Reap(struct aiocb *cb) {
    while (aio_error(cb) == EINPROGRESS) CHECK(sim_step());
    aio_return(cb);
  }

  void EndForeign(Foreign &f) {
    if (!f.armed) return;
    uint64_t tick;
    const int32_t ready = evpoll_aio_poll_ready(f.aio, &tick);
    CHECK(ready == f.ready || ready == EVPOLL_ERR_SHUTDOWN);
    for (int i = 0; f.started && i < (f.listed ? 2 : 1); i++) Reap(&f.cbs[i]);
    CHECK(evpoll_aio_deregister(f.aio) == 0);
    if (ready == 1) CHECK(evpoll_aio_clear_ready(f.aio, tick) == 1);
    f.armed = f.started = f.ready = false;
  }

  // ---- sockets ----

  void ChangeSocket() {
    const unsigned i = Next(kSockets), what = Next(6), mode = Next(3);
    const uint32_t ends = EVPOLL_READ_CLOSED, both = EVPOLL_READABLE | EVPOLL_WRITABLE;
    const uint32_t interests[] = {
        0,    EVPOLL_READABLE,        EVPOLL_WRITABLE,        both,
        ends, EVPOLL_READABLE | ends, EVPOLL_WRITABLE | ends, both | ends};
    const uint32_t interest = interests[Next(8)];
    evpoll_handle h = sockets[i][0];
    const uint64_t token = kSocketToken + i;
    switch (what) {
    case 0:
    case 1: registered[i] |= evpoll_add(p, h, token, interest, mode) >= 0; break;
    case 2: evpoll_modify(p, h, token, interest, mode); break;
    case 3: evpoll_rearm(p, h, token, interest); break;
    case 4:
      if (registered[i]) CHECK(evpoll_remove(p, h, token) <= 0);
      registered[i] = false;
      break;
    case 5: sent[i] |= evpoll_socket_send(sockets[i][1], "x", 1) == 1; break;
    }
  }

  // ---- chance ----

  void Inject() {
    static const struct {
      enum sim_call call;
      int code;
    } faults[] = {
        {SIM_AIO_SUBMIT, EAGAIN}, {SIM_AIO_SUBMIT, ENOMEM},    {SIM_LIO_ENTRY, EAGAIN},
        {SIM_LIO_ENTRY, EINVAL},  {SIM_LIO_LISTIO, EINVAL},    {SIM_JOB, EIO},
        {SIM_JOB, EINTR},         {SIM_AIO_CANCEL, EBADF},     {SIM_KEVENT_CHANGE, ENOMEM},
        {SIM_KEVENT, EINTR},      {SIM_AIO_SUBMIT, EOPNOTSUPP}};
    const auto &fault = faults[Next(sizeof faults / sizeof faults[0])];
    sim_fail(fault.call, 1 + static_cast<int>(Next(6)), fault.code);
    injected++;
  }

  void Options() {
    struct sim_options o = sim_get();
    switch (Next(4)) {
    case 0: o.queue_per_process = 1 + static_cast<int>(Next(80)); break;
    case 1: o.before_percent = static_cast<int>(Next(101)); break;
    case 2: o.late_percent = static_cast<int>(Next(101)); break;
    case 3: o.outsiders = Next(4) == 0 ? static_cast<int>(Next(80)) : 0; break;
    }
    sim_set(&o);
  }

  void Cancel() {
    switch (Next(5)) {
    case 0: CHECK(evpoll_cancel_all(p) >= 0); break;
    case 1:
      if (const Place *file = AnyServed()) CHECK(evpoll_cancel_handle(p, file->handle) >= 0);
      break;
    case 4: {
      const Op &op = ops[Next(kOps)];
      const int32_t asked = evpoll_cancel_token(p, op.io.handle, op.io.token);
      CHECK(asked >= 0 || asked == EVPOLL_ERR_NOT_FOUND);
      break;
    }
    case 2:
      if (list_op) CHECK(evpoll_cancel(p, list_op) >= 0);
      break;
    case 3: {
      Op &op = ops[Next(kOps)];
      if (op.in_flight && !op.listed) CHECK(evpoll_cancel(p, op.io.op) == 1);
    }
    }
  }

  void Step() {
    switch (Next(19)) {
    case 0:
    case 1:
    case 2: Submit(); break;
    case 16:
    case 17:
    case 18: ChangeFile(); break;
    case 3: SubmitList(); break;
    case 4: Cancel(); break;
    case 5:
    case 6: Wait(1 + static_cast<int32_t>(Next(16)), 0); break;
    case 7: Wait(1 + static_cast<int32_t>(Next(4)), 1000); break;
    case 8:
    case 9: sim_step(); break;
    case 10: Options(); break;
    case 11: Inject(); break;
    case 12: StartForeign(); break;
    case 13: EndForeign(foreigns[Next(kForeigns)]); break;
    case 14: ChangeSocket(); break;
    case 15:
      if (Next(2))
        CHECK(evpoll_wake(p) == 0);
      else
        posts += evpoll_post(p, kPostToken, 1) == 0;
    }
  }

  void Begin() {
    sim_reset();
    struct sim_options o = sim_get();
    o.manual = true;
    o.seed = 1 + Next(256);
    sim_set(&o);
    evpoll_options options = {};
    options.struct_size = sizeof options;
    static const uint32_t flags[] = {0, EVPOLL_OPEN_SINGLE_WAITER, EVPOLL_OPEN_INTERRUPTIBLE,
                                     EVPOLL_OPEN_NATIVE_IO_ONLY};
    options.flags = flags[Next(4)];
    has_pool = options.flags != EVPOLL_OPEN_NATIVE_IO_ONLY;
    options.io_limit = 1 + Next(100);
    CHECK(evpoll_open(&options, &p) == 0);
    for (Op &op : ops) op.io = {};
    for (Place &file : files) OpenFile(file);
    for (int i = 0; i < kForeigns; i++) {
      foreigns[i].listed = i == 2;
      const uint32_t kind = i == 2 ? EVPOLL_LIO : EVPOLL_AIO;
      CHECK(evpoll_aio_open(p, kind, kForeignToken + static_cast<uint64_t>(i), &foreigns[i].aio) ==
            0);
    }
  }

  bool IsServed() {
    for (const Place &file : files)
      if (file.state != Place::kNothing) return true;
    return false;
  }

  // Everything that is in flight is delivered, and nothing is left of it.
  void End() {
    struct sim_options o = sim_get();
    o.outsiders = o.late_percent = 0;
    sim_set(&o);
    for (int call = 0; call < SIM_CALLS; call++) sim_fail(static_cast<enum sim_call>(call), 0, 0);
    for (Foreign &f : foreigns) EndForeign(f); // or they would hold all the room there is
    const bool shut_down = Next(2);
    if (shut_down) evpoll_shutdown(p);
    for (Place &file : files) {
      while (file.held) Release(file);
      if (file.state == Place::kServed && Next(2)) CloseFile(file);
    }
    for (int idle = 0; in_flight || posts || IsServed();) {
      for (Place &file : files)
        if (file.state == Place::kServed || file.state == Place::kEnded) RemoveFile(file);
      sim_step();
      const int32_t n = Wait(16, shut_down || !idle ? 0 : 1000);
      if (n == EVPOLL_ERR_SHUTDOWN) break;
      idle = n > 0 ? 0 : idle + 1;
      CHECK(idle < 20000);
    }
    CHECK(in_flight == 0 && posts == 0 && !IsServed());
    TheFiles().Check();
    for (Foreign &f : foreigns) CHECK(evpoll_aio_close(f.aio) == 0);
    CHECK(evpoll_close(p, kLong) == 0);
    char text[64];
    for (int i = 0; i < kSockets; i++)
      while (sent[i] &&
             recv(static_cast<int>(sockets[i][0]), text, sizeof text, MSG_DONTWAIT) > 0) {
      }
    CHECK(sim_jobs() == 0);
    CHECK(sim_wrong() == 0);
    CHECK(sim_lost() == 0);
    CHECK(sim_repeating() == 0);
    CHECK(sim_knotes() == 0);
  }
};

} // namespace

void RunSchedule(const uint8_t *bytes, size_t n) {
  Schedule *s = new Schedule{bytes, bytes + n};
  s->Begin();
  while (s->at < s->end) s->Step();
  s->End();
  delete s;
}
