// SPDX-License-Identifier: LGPL-2.1-or-later
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <string>

#include "ext/decrypt/pool/worker_fds.hpp"
#include "ext/worker/loop.hpp"
#include "ext/worker/sandbox.hpp"
#include "ext/worker/warmup.hpp"

namespace dv::worker {
namespace {

int refuse(Link &link, HelloReply::Status status, const std::string &text, int code) {
  HelloReply reply;
  reply.status = status;
  reply.text = text;
  link.send(encode(reply));
  return code;
}

int serve() {
  Link link;
  const auto first = link.receive(true);
  const auto *hello = first ? std::get_if<Hello>(&first->message) : nullptr;
  if (hello == nullptr || hello->version != kProtocolVersion) {
    return refuse(link, HelloReply::Status::wrong_version, "", kExitProtocol);
  }
  if (!link.map(hello->request_slots, hello->reply_slots)) {
    return refuse(link, HelloReply::Status::bad_setup, "shared memory can not be mapped",
                  kExitSetup);
  }
  // Libraries load tables, read configuration and ask for the processor when they are first used.
  if (!warm_up()) {
    return refuse(link, HelloReply::Status::bad_setup, "libopus or libcrypto do not work",
                  kExitSetup);
  }
  HelloReply ready;
  if (hello->sandbox != Sandbox::off) {
    ready.confinement = confine(hello->memory_limit, hello->sandbox == Sandbox::strict);
  }
  const bool all_of_it = hello->sandbox == Sandbox::require || hello->sandbox == Sandbox::strict;
  if (all_of_it && (ready.confinement & kRequired) != kRequired) {
    return refuse(link, HelloReply::Status::no_sandbox,
                  "only " + confinement_text(ready.confinement) + " is to be had", kExitNoSandbox);
  }
  link.send(encode(ready));
  return Loop(link, std::chrono::microseconds(hello->max_batch_us)).run();
}

bool started_by_host() {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(kControlFd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace
}  // namespace dv::worker

int main() {
  using namespace dv::worker;
  if (!started_by_host()) {
    static constexpr char text[] =
        "gst-discord-worker is started by the GStreamer element discorddecrypt.\n";
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    return kExitUsage;
  }
  signal(SIGPIPE, SIG_IGN);
  // A nap shall be short; rests do not depend on it.
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  return serve();
}
