// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/worker_slot.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace dv {

WorkerProcess::~WorkerProcess() {
  for (Bytes &message : control_waiting) wipe_bytes(message);
  kill_child(child);
}

int WorkerProcess::start(const std::string &path) {
  using Side = SharedRegion::Writer;
  errno = ENOMEM;
  if (!requests.create("discord-requests", worker::request_region_size(kRequestSlots),
                       Side::host) ||
      !replies.create("discord-replies", worker::reply_region_size(kReplySlots), Side::worker)) {
    return errno;
  }
  const int error = spawn_worker(path, requests.fd(), replies.fd(), child);
  requests.close_fd();
  replies.close_fd();
  ring = worker::HostRing(requests.data(), kRequestSlots, replies.data(), kReplySlots);
  return error;
}

void WorkerProcess::send_hello(const worker::Hello &hello) {
  const Bytes message = worker::encode(0, hello);
  [[maybe_unused]] const ssize_t n =
      ::send(child.control.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void WorkerProcess::send(const worker::ToWorker &message) {
  control_waiting.push_back(worker::encode(++control_number, message));
  send_waiting();
}

bool WorkerProcess::send_waiting() {
  while (ready && !control_waiting.empty()) {
    Bytes &message = control_waiting.front();
    const ssize_t n =
        ::send(child.control.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
    wipe_bytes(message);
    control_waiting.pop_front();
  }
  return true;
}

void WorkerProcess::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(child.request_event.get(), &one, sizeof one);
}

bool WorkerProcess::refresh() {
  if (!ring.refresh()) return false;
  for (; seen_taken != ring.taken_by_worker(); ++seen_taken) {
    const std::size_t i = seen_taken % kRequestSlots;
    --in_ring[client_of_slot[i]];
    in_slot[i] = kNoTicket;
  }
  return true;
}

void WorkerProcess::put(const worker::Request &request, ByteView data, Ticket ticket) {
  const std::size_t i = ring.written() % kRequestSlots;
  in_slot[i] = ticket;
  client_of_slot[i] = request.client;
  ++in_ring[request.client];
  ring.write(request, data);
}

bool WorkerProcess::share_left(std::uint32_t client) const {
  if (ring.room() == 0) return false;
  const auto it = in_ring.find(client);
  return it == in_ring.end() || it->second < kClientShare;
}

Ticket WorkerProcess::open_ticket() const {
  const std::uint64_t open = ring.open_request();
  if (open == 0 || open > ring.written() || open <= ring.taken_by_worker()) return kNoTicket;
  return in_slot[(open - 1) % kRequestSlots];
}

}  // namespace dv
