// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv::voice {

/** One datagram; valid during the call only. */
struct Datagram {
  ByteView data;
  Time age{};              ///< how long ago the kernel received it
  bool truncated = false;  ///< was longer than `kMaxDatagram`
};

/** Twice what peers use; Discord stays below an Ethernet frame. */
inline constexpr std::size_t kMaxDatagram = 4096;

/**
 * A connected UDP socket with a thread of its own that receives in batches. The kernel stamps each
 * datagram, so that a late thread does not make late datagrams; UDP GRO stays off.
 */
class UdpSocket {
 public:
  /** On the receive thread, without a lock. Must not wait for whoever may destroy the socket. */
  using Receiver = std::function<void(std::span<const Datagram>)>;

  struct Counters {
    std::atomic<std::uint64_t> kernel_drops{0};  ///< the socket's buffer was full
    std::atomic<std::uint64_t> errors{0};        ///< e.g. "port unreachable" of the far end
    std::atomic<std::uint64_t> buffer_size{0};   ///< bytes, as granted by the kernel
  };

  /** Null on failure, with a text for people. `ip` is an IP literal. */
  static std::unique_ptr<UdpSocket> open(const std::string &ip, std::uint16_t port, int buffer_size,
                                         Receiver receiver, std::shared_ptr<Counters> counters,
                                         std::string &error);
  /** Joins the receive thread. */
  ~UdpSocket();
  UdpSocket(const UdpSocket &) = delete;
  UdpSocket &operator=(const UdpSocket &) = delete;

  /** Never blocks; what the kernel does not take is lost, as UDP is. */
  void send(ByteView datagram);

 private:
  UdpSocket(int socket, int wake, Receiver receiver, std::shared_ptr<Counters> counters);
  bool wait(Time rest);
  void run();

  const int socket_;
  const int wake_;  // eventfd: the thread shall end
  const Receiver receiver_;
  const std::shared_ptr<Counters> counters_;
  std::thread thread_;
};

}  // namespace dv::voice
