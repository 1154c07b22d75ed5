// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/link.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "ext/crypto/secret.hpp"
#include "ext/decrypt/pool/worker_fds.hpp"

namespace dv::worker {

namespace {
Time read_clock(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return std::chrono::seconds(t.tv_sec) + Time(t.tv_nsec);
}
}  // namespace

Time monotonic_now() { return read_clock(CLOCK_MONOTONIC); }
Time cpu_now() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

bool Link::map(std::uint32_t request_slots, std::uint32_t reply_slots) {
  if (!valid_slots(request_slots) || !valid_slots(reply_slots)) return false;
  const std::size_t request_size = request_region_size(request_slots);
  reply_size_ = reply_region_size(reply_slots);
  void *requests = mmap(nullptr, request_size, PROT_READ, MAP_SHARED, kRequestsFd, 0);
  void *replies = mmap(nullptr, reply_size_, PROT_READ | PROT_WRITE, MAP_SHARED, kRepliesFd, 0);
  if (requests == MAP_FAILED || replies == MAP_FAILED) return false;
  replies_ = static_cast<std::uint8_t *>(replies);
  ring_.emplace(static_cast<const std::uint8_t *>(requests), request_slots, replies_, reply_slots);
  return true;
}

bool Link::poll_host(Time timeout, bool with_messages) {
  pollfd fds[] = {{kControlFd, static_cast<short>(with_messages ? POLLIN : 0), 0},
                  {kHostPidFd, POLLIN, 0},
                  {kRequestEventFd, POLLIN, 0}};
  const auto ns = timeout.count();
  const timespec limit{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  if (ppoll(fds, 3, timeout == kNever ? nullptr : &limit, nullptr) <= 0) return false;
  if (fds[2].revents != 0) drain_event();
  const bool message = (fds[0].revents & POLLIN) != 0;
  // A copy of our socket may live on in a child of the host; its pidfd tells the truth.
  const bool gone = (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 || fds[1].revents != 0;
  if (gone && !message) _exit(kExitDone);
  return message;
}

void Link::drain_event() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = read(kRequestEventFd, &count, sizeof count);
}

std::optional<Received> Link::receive(bool wait) {
  for (;;) {
    const ssize_t n = recv(kControlFd, message_.data(), message_.size(), MSG_DONTWAIT);
    if (n > 0) {
      message_size_ = static_cast<std::size_t>(n);
      auto received = decode_to_worker(ByteView(message_).first(message_size_));
      if (!received) _exit(kExitProtocol);
      return received;
    }
    if (n == 0) _exit(kExitDone);
    if (errno != EAGAIN && errno != EINTR) _exit(kExitDone);
    if (errno == EINTR) continue;
    if (!wait) return std::nullopt;
    poll_host(kNever, true);
  }
}

void Link::wipe_message() { wipe_memory(message_.data(), message_size_); }

void Link::send(const Bytes &message) {
  [[maybe_unused]] const ssize_t n =
      ::send(kControlFd, message.data(), message.size(), MSG_NOSIGNAL);
}

void Link::publish() {
  if (!ring_->unpublished()) return;
  if (!ring_->publish()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(kReplyEventFd, &one, sizeof one);
}

void Link::reply(const Reply &reply, ByteView data) {
  const std::uint32_t slots = reply_slots_for(data.size());
  ring_->make_room(
      slots, [this] { publish(); }, [this] { poll_host(kNever, false); });
  ring_->write(reply, data);
}

void Link::rest(Time at_most) {
  const auto ns = at_most.count();
  const timespec limit{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &limit, nullptr);
}

void Link::sleep(Time timeout) {
  ring_->announce_sleep();
  if (ring_->available() == 0) poll_host(timeout, true);
  ring_->awake();
}

}  // namespace dv::worker
