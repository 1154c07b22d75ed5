// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/udp.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

#include "ext/voice/core/receive_pace.hpp"

namespace dv::voice {
namespace {

constexpr std::size_t kBatch = 32;
// A wall clock that was set in between must not throw a datagram far into the past.
constexpr Time kMaxAge = 5s;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

bool parse_address(const std::string &ip, std::uint16_t port, Address &out) {
  auto *v4 = reinterpret_cast<sockaddr_in *>(&out.storage);
  if (inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.size = sizeof *v4;
    return true;
  }
  auto *v6 = reinterpret_cast<sockaddr_in6 *>(&out.storage);
  if (inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof *v6;
    return true;
  }
  return false;
}

void set_options(int socket, int buffer_size, UdpSocket::Counters &counters) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(socket, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  if (buffer_size > 0 &&
      setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_size, sizeof buffer_size) != 0) {
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size);
  }
  int granted = 0;
  socklen_t size = sizeof granted;
  getsockopt(socket, SOL_SOCKET, SO_RCVBUF, &granted, &size);
  counters.buffer_size = static_cast<std::uint64_t>(std::max(granted, 0));
}

std::string error_text(const char *what) { return std::string(what) + ": " + std::strerror(errno); }

Time wall_clock() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::seconds(now.tv_sec) + Time(now.tv_nsec);
}

/** Reused for every receive call. */
struct Batch {
  static constexpr std::size_t kControl =
      CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(std::uint32_t));

  Batch() : payload(kBatch * kMaxDatagram) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {payload.data() + i * kMaxDatagram, kMaxDatagram};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_control = control[i].data();
    }
  }
  int receive(int socket) {
    for (auto &header : headers) header.msg_hdr.msg_controllen = kControl;
    return recvmmsg(socket, headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  }
  Datagram read(std::size_t i, Time now, UdpSocket::Counters &counters) {
    msghdr &header = headers[i].msg_hdr;
    Datagram out;
    out.data = {payload.data() + i * kMaxDatagram, headers[i].msg_len};
    out.truncated = (header.msg_flags & MSG_TRUNC) != 0;
    for (cmsghdr *c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET) continue;
      if (c->cmsg_type == SCM_TIMESTAMPNS) {
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        const Time at = std::chrono::seconds(stamp.tv_sec) + Time(stamp.tv_nsec);
        out.age = std::clamp(now - at, Time{0}, kMaxAge);
      } else if (c->cmsg_type == SO_RXQ_OVFL) {
        std::uint32_t total = 0;
        std::memcpy(&total, CMSG_DATA(c), sizeof total);
        counters.kernel_drops += total - last_drops;
        last_drops = total;
      }
    }
    return out;
  }

  std::vector<std::uint8_t> payload;
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> headers{};
  alignas(cmsghdr) std::array<std::array<char, kControl>, kBatch> control{};
  std::uint32_t last_drops = 0;  // the kernel counts per socket, modulo 2^32
};

}  // namespace

std::unique_ptr<UdpSocket> UdpSocket::open(const std::string &ip, std::uint16_t port,
                                           int buffer_size, Receiver receiver,
                                           std::shared_ptr<Counters> counters, std::string &error) {
  Address address;
  if (!parse_address(ip, port, address)) {
    error = "not an IP address";
    return nullptr;
  }
  const int fd = ::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = error_text("socket");
    return nullptr;
  }
  set_options(fd, buffer_size, *counters);
  const int wake = eventfd(0, EFD_CLOEXEC);
  if (wake < 0 || connect(fd, reinterpret_cast<sockaddr *>(&address.storage), address.size) != 0) {
    error = error_text("connect");
    ::close(fd);
    if (wake >= 0) ::close(wake);
    return nullptr;
  }
  return std::unique_ptr<UdpSocket>(
      new UdpSocket(fd, wake, std::move(receiver), std::move(counters)));
}

UdpSocket::UdpSocket(int socket, int wake, Receiver receiver, std::shared_ptr<Counters> counters)
    : socket_(socket),
      wake_(wake),
      receiver_(std::move(receiver)),
      counters_(std::move(counters)),
      thread_([this] { run(); }) {}

UdpSocket::~UdpSocket() {
  const std::uint64_t one = 1;
  while (write(wake_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  thread_.join();
  ::close(wake_);
  ::close(socket_);
}

void UdpSocket::send(ByteView datagram) {
  if (::send(socket_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    ++counters_->errors;
  }
}

/** False: the thread shall end. */
bool UdpSocket::wait(Time rest) {
  pollfd fds[2] = {{wake_, POLLIN, 0}, {socket_, POLLIN, 0}};
  if (rest > Time{}) {
    const timespec limit{0, static_cast<long>(rest.count())};
    if (ppoll(fds, 1, &limit, nullptr) > 0) return false;
  }
  if (poll(fds, 2, -1) < 0) return errno == EINTR;
  return (fds[0].revents & POLLIN) == 0;
}

void UdpSocket::run() {
  pthread_setname_np(pthread_self(), "discord-udp");
  auto batch = std::make_unique<Batch>();
  std::array<Datagram, kBatch> datagrams;
  ReceivePace pace;
  Time rest{};
  while (wait(std::exchange(rest, Time{}))) {
    const int count = batch->receive(socket_);
    if (count < 0) {
      // What a connected UDP socket reports is an echo of the past; the next receive goes on.
      if (errno != EAGAIN && errno != EINTR) ++counters_->errors;
      continue;
    }
    const Time now = wall_clock();
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<std::size_t>(i);
      datagrams[index] = batch->read(index, now, *counters_);
    }
    const auto received = static_cast<std::size_t>(count);
    receiver_(std::span(datagrams).first(received));
    rest = pace.after(received, received == kBatch,
                      std::chrono::steady_clock::now().time_since_epoch());
  }
}

}  // namespace dv::voice
